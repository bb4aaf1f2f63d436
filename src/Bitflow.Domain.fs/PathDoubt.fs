namespace Bitflow.Domain

/// What is seen at a path without opening it.
[<RequireQualifiedAccess>]
type PathSight =
    | Nothing of hasDirectory: bool
    /// The working directory, from which it is named, has been removed.
    | Adrift of reason: string
    | Directory
    | Socket
    /// As /dev/log is with systemd. A log is opened through it, a listener's own path is not.
    | LinkToSocket
    /// A file or a pipe.
    | File
    /// What it is cannot be seen.
    | Unseen

/// What stands in the way at a path that a configuration names, here and now: a start would say the same, in the same words. A pipe without a reader cannot be told from one with.
[<RequireQualifiedAccess>]
module PathDoubt =
    /// Of a connection log.
    [<CompiledName "OfLog">]
    let ofLog (sight: PathSight) : string voption =
        match sight with
        | PathSight.Nothing false -> ValueSome(LogFileFault.ofOpen false Errno.ENOENT)
        | PathSight.Adrift reason -> ValueSome reason
        | PathSight.Directory -> ValueSome(LogFileFault.ofOpen false Errno.EISDIR)
        | PathSight.Socket
        | PathSight.LinkToSocket -> ValueSome(LogFileFault.ofOpen true Errno.ENXIO)
        | PathSight.Nothing true
        | PathSight.File
        | PathSight.Unseen -> ValueNone

    /// Of a Unix socket that is to be listened on. A socket that is there already is stale, or that of whom this configuration follows.
    [<CompiledName "OfListener">]
    let ofListener (sight: PathSight) : string voption =
        match sight with
        | PathSight.Nothing false
        | PathSight.Adrift _ -> ValueSome(ListenFault.describe ListenFault.NoDirectory)
        | PathSight.Directory
        | PathSight.LinkToSocket
        | PathSight.File -> ValueSome(ListenFault.describe ListenFault.NoSocketAtPath)
        | PathSight.Nothing true
        | PathSight.Socket
        | PathSight.Unseen -> ValueNone
