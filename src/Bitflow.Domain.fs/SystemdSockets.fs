namespace Bitflow.Domain

open System

/// Why the variables of socket activation cannot be read.
[<RequireQualifiedAccess>]
type SystemdSocketsError =
    | NotAProcessId of text: string
    | NotACount of text: string
    /// The descriptors would not fit the numbers that descriptors have.
    | TooMany of text: string
    | NameCount of names: int * descriptors: int

/// Why no inherited socket has a name.
[<RequireQualifiedAccess>]
type NamedSocketError =
    | NothingInherited
    /// LISTEN_PID is another process's: the sockets are not for us (SD-1).
    | ForAnotherProcess of listenPid: int
    | NoSuchName of known: string list
    | Unreadable of SystemdSocketsError

[<RequireQualifiedAccess>]
type SystemdSockets =
    | NotGiven
    | ForAnotherProcess of listenPid: int
    /// Descriptors and their names, in order.
    | Given of (struct (int * string)) list
    | Unreadable of SystemdSocketsError

/// Listening sockets handed over by a service manager: `sd_listen_fds(3)` (SD-1 to SD-3).
[<RequireQualifiedAccess>]
module SystemdSockets =
    let firstDescriptor = 3
    /// The name of every socket where LISTEN_FDNAMES is absent (SD-3).
    let unnamed = "unknown"

    /// The variables, to be removed from the environment of children (SD-4).
    let variables = [ "LISTEN_PID"; "LISTEN_FDS"; "LISTEN_FDNAMES"; "LISTEN_PIDFDID" ]

    /// Descriptors that a process can hold where nobody raised the kernel's bound (fs.nr_open): a count beyond it is a
    /// mistake, and must not cost memory.
    let maxCount = 1 <<< 20

    let private number (text: string) = WholeNumber.tryParse (int64 Int32.MaxValue) text |> ValueOption.map int

    let private named (count: int) (names: string) =
        let names = if String.IsNullOrEmpty names then Array.create count unnamed else names.Split ':'
        if names.Length <> count then
            SystemdSockets.Unreadable(SystemdSocketsError.NameCount(names.Length, count))
        else
            SystemdSockets.Given [ for i in 0 .. count - 1 -> struct (firstDescriptor + i, names[i]) ]

    /// What the variables (null where unset) say to the process of this id. Nothing is taken that is for another process,
    /// however it reads.
    [<CompiledName("Read")>]
    let read (ownPid: int) (listenPid: string) (listenFds: string) (listenFdNames: string) : SystemdSockets =
        if String.IsNullOrEmpty listenPid || String.IsNullOrEmpty listenFds then
            SystemdSockets.NotGiven
        else
            match number listenPid, number listenFds with
            | ValueNone, _ -> SystemdSockets.Unreadable(SystemdSocketsError.NotAProcessId listenPid)
            | ValueSome pid, _ when pid <> ownPid -> SystemdSockets.ForAnotherProcess pid
            | _, ValueSome 0 -> SystemdSockets.NotGiven
            | _, ValueSome count when count <= maxCount -> named count listenFdNames
            | _ when String.forall Char.IsAsciiDigit listenFds -> SystemdSockets.Unreadable(SystemdSocketsError.TooMany listenFds)
            | _ -> SystemdSockets.Unreadable(SystemdSocketsError.NotACount listenFds)

    /// The descriptors of a name, in order; names need not be unique (SD-3).
    [<CompiledName("Named")>]
    let withName (name: string) (sockets: SystemdSockets) : Result<int list, NamedSocketError> =
        match sockets with
        | SystemdSockets.NotGiven -> Error NamedSocketError.NothingInherited
        | SystemdSockets.ForAnotherProcess pid -> Error(NamedSocketError.ForAnotherProcess pid)
        | SystemdSockets.Unreadable error -> Error(NamedSocketError.Unreadable error)
        | SystemdSockets.Given sockets ->
            match sockets |> List.choose (fun (struct (descriptor, n)) -> if n = name then Some descriptor else None) with
            | [] -> Error(NamedSocketError.NoSuchName(sockets |> List.map (fun (struct (_, n)) -> n) |> List.distinct))
            | descriptors -> Ok descriptors

    [<CompiledName("Describe")>]
    let describe (error: SystemdSocketsError) =
        let quoted text = $"\"{Printable.ofText text}\""
        match error with
        | SystemdSocketsError.NotAProcessId text -> $"LISTEN_PID is {quoted text}, which is no process id"
        | SystemdSocketsError.NotACount text -> $"LISTEN_FDS is {quoted text}, which is no number of descriptors"
        | SystemdSocketsError.TooMany text -> $"LISTEN_FDS is {Printable.ofText text}, more descriptors than a process can hold"
        | SystemdSocketsError.NameCount(names, descriptors) -> $"LISTEN_FDNAMES has {names} names for {descriptors} descriptors"

    [<CompiledName("DescribeNamed")>]
    let describeNamed (error: NamedSocketError) =
        match error with
        | NamedSocketError.NothingInherited ->
            "no socket was inherited (LISTEN_PID and LISTEN_FDS are not set); start under a socket unit, or write \"fd:N\""
        | NamedSocketError.ForAnotherProcess pid -> $"the inherited sockets are for process {pid} (LISTEN_PID), not for this one"
        | NamedSocketError.NoSuchName known ->
            let names = known |> List.truncate 20 |> List.map Printable.ofText |> String.concat ", "
            $"LISTEN_FDNAMES has no such name; it has {names}"
        | NamedSocketError.Unreadable error -> describe error
