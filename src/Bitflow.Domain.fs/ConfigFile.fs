namespace Bitflow.Domain

open System
open System.Collections.Generic

/// What reading a configuration file came to. Every text is one line, `FILE:LINE:COLUMN: PATH: what is wrong, and
/// what would be right`, in the order of the file; the first 100 errors, then a line with the number of the rest.
[<Sealed; AllowNullLiteral>]
type ConfigReading
    internal
    (config: Config voption, errors: IReadOnlyList<string>, warnings: IReadOnlyList<string>, line: Func<string, string, string>) =
    /// Whether there is a `Config`; if not, there is at least one error.
    member _.IsUsable = config.IsSome
    /// The configuration. Only to be asked for when `IsUsable`.
    member _.Config =
        match config with
        | ValueSome config -> config
        | ValueNone -> invalidOp "a file with errors has no configuration"
    member _.Errors = errors
    member _.Warnings = warnings
    /// A message about a key (`server.proxies[0].listener.address`) in the form of the reader's own, with the key's
    /// place in the file: for what only the shell can know, such as a certificate that cannot be read.
    member _.Line(path: string, message: string) = line.Invoke(path, message)

[<Sealed; AbstractClass>]
type ConfigFile =
    /// Reads the bytes of a configuration file. Never throws, whatever the bytes are; the name only stands in messages.
    static member Read(fileName: string, bytes: ReadOnlyMemory<byte>) : ConfigReading =
        ignore bytes
        let line = Func<string, string, string>(fun path message -> $"{fileName}:1:1: {path}: {message}")
        ConfigReading(ValueNone, [| line.Invoke("file", "cannot be read yet") |], [||], line)
