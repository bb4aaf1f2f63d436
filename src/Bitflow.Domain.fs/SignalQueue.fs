namespace Bitflow.Domain

/// What a signal asks of the process.
[<RequireQualifiedAccess; Struct>]
type Signal =
    /// SIGINT or SIGTERM.
    | Stop
    /// SIGHUP.
    | Reload
    /// SIGUSR1.
    | ReopenLogs
    /// SIGUSR2.
    | DumpState

/// What a shell has for each signal that asks something of whoever watches. One more is a member more: no shell is built without it.
type IWatcher =
    abstract ReopenLogs: unit -> unit
    /// Write the state to the log.
    abstract DumpState: unit -> unit

[<RequireQualifiedAccess>]
module Signal =
    /// Does what a signal asks of whoever watches. To stop and to reload is asked of whoever serves.
    [<CompiledName "Answer">]
    let answer (watcher: IWatcher) (signal: Signal) : unit =
        match signal with
        | Signal.ReopenLogs -> watcher.ReopenLogs()
        | Signal.DumpState -> watcher.DumpState()
        | Signal.Stop
        | Signal.Reload -> ()

/// Signals that wait while another is answered: never more than a few, however many come.
[<RequireQualifiedAccess>]
module SignalQueue =
    [<CompiledName "Empty">]
    let empty: Signal list = []

    /// One that waits already asks for nothing more. A second stop does: it resets what the first lets end by itself.
    [<CompiledName "Add">]
    let add (signal: Signal) (waiting: Signal list) : Signal list =
        let enough = if signal = Signal.Stop then 2 else 1
        let already = waiting |> List.filter (fun other -> other = signal) |> List.length
        if already < enough then waiting @ [ signal ] else waiting

    /// The one to answer next, and those that wait still. A stop overtakes the others, which are in the order in which they came.
    [<CompiledName "Next">]
    let next (waiting: Signal list) : struct (Signal * Signal list) voption =
        let stop, others = waiting |> List.partition (fun signal -> signal = Signal.Stop)
        match stop @ others with
        | [] -> ValueNone
        | first :: rest -> ValueSome(struct (first, rest))

    /// The same while a reload is under way: another reload waits for it, and so does a stop, for which it is given up.
    [<CompiledName "NextBesideReload">]
    let nextBesideReload (waiting: Signal list) : struct (Signal * Signal list) voption =
        match waiting |> List.tryFind (fun signal -> signal <> Signal.Stop && signal <> Signal.Reload) with
        | None -> ValueNone
        | Some found -> ValueSome(struct (found, waiting |> List.filter (fun signal -> signal <> found)))
