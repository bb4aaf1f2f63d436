namespace Bitflow.Domain

/// What becomes of the process's descriptors (RLIMIT_NOFILE): what Bitflow itself holds, what accepting leaves alone, and what there must be to start.
[<RequireQualifiedAccess>]
module DescriptorBudget =
    /// Descriptors that accepting leaves alone: dials, logs and the runtime need some.
    let reservedDescriptors = 32

    /// What a connection needs: one descriptor for the client, one for the target.
    let descriptorsPerConnection = 2L

    /// Whether the admin server may accept one more. It leaves half of the reserve: while clients hold all that they may, somebody must be
    /// able to look, and what accepting for them leaves is there for such things.
    [<CompiledName "MayAdminAccept">]
    let mayAdminAccept (descriptorLimit: int64) (inUse: int) = descriptorLimit - int64 inUse > int64 reservedDescriptors / 2L

    /// What the admin server holds beside its listeners and its clients: the assemblies of a web server, one descriptor each. Measured: 34 in
    /// the published program.
    let adminDescriptors = 40L

    /// Why the admin server cannot start now, none where it can. An assembly that could not be loaded for want of a descriptor is not tried
    /// again by the runtime: what starts half would stay half for good. What is left must do for clients: what accepting leaves, and one of them.
    [<CompiledName "AdminShortage">]
    let adminShortage (descriptorLimit: int64) (inUse: int) : string voption =
        let free = max 0L (descriptorLimit - int64 inUse)
        let needed = adminDescriptors + int64 reservedDescriptors + descriptorsPerConnection
        if free >= needed then ValueNone
        else ValueSome $"it needs {needed} free descriptors to start, and {free} of {descriptorLimit} are free; raise LimitNOFILE or ulimit -n, or try again when clients have left"

    /// How many pipes a loop of the Linux engine may hold for busy streams, of two descriptors each: those of all loops take at most a sixteenth
    /// of the descriptors, and none has more than 64.
    [<CompiledName "MostPipes">]
    let mostPipes (descriptorLimit: int64) (loops: int) : int = int (max 1L (min 64L (descriptorLimit / (32L * int64 (max 1 loops)))))

    /// How many sockets without a connection a loop of the Linux engine may keep for its next dials: those of all loops take at most a sixty-fourth of the
    /// descriptors, and none has more than 64.
    [<CompiledName "MostSpareSockets">]
    let mostSpareSockets (descriptorLimit: int64) (loops: int) : int = int (min 64L (descriptorLimit / (64L * int64 (max 1 loops))))

    /// What the program holds whatever it serves: the runtime, the standard streams and the log. 84 measured when idle in the published program, most of
    /// them one for each assembly; with TLS on both sides, statsd, a SOCKS5 proxy and a few reloads, 106.
    let private programDescriptors = 106L

    /// What a loop holds: on the Linux engine epoll, its wake-up and a ring, on the portable one no more.
    let private loopDescriptors = 3L

    /// Why the program cannot do its work at all, be it to serve on a loop for each processor or a command, which has no loops; none where it can.
    /// Below this the runtime finds no descriptor for an assembly or a thread, and aborts. Measured in the published program: `check` needs 64. To serve on
    /// two loops, with TLS on both sides, statsd, Sentry and a reload, needs 116; on 64, without any of it, 213. What is named is what serving needs,
    /// whoever asks: a limit raised to what a command needs would be too low for the next start.
    [<CompiledName "StartShortage">]
    let startShortage (descriptorLimit: int64) (processors: int) (serves: bool) : string voption =
        let needed loops = programDescriptors + loopDescriptors * int64 loops + int64 reservedDescriptors
        if descriptorLimit >= needed (if serves then processors else 0) then ValueNone
        else ValueSome $"no more than {descriptorLimit} descriptors may be open, and Bitflow needs {needed processors} to start; raise LimitNOFILE or ulimit -n"

    /// Why so many listening sockets and connection logs cannot be opened now, beside so many descriptors in use and so many connections; none where they can. As the
    /// admin server does it leaves half of the reserve: for want of a descriptor the runtime cannot start a thread, and aborts. A program that has just started
    /// holds less than it will: what it has not loaded yet is left as well.
    [<CompiledName "OpeningShortage">]
    let openingShortage (descriptorLimit: int64) (loops: int) (inUse: int64) (connections: int) (wanted: int) : string voption =
        let held = max inUse (programDescriptors + loopDescriptors * int64 loops)
        let free = max 0L (descriptorLimit - held - int64 reservedDescriptors / 2L)
        if int64 wanted <= free then
            ValueNone
        else
            let orWait = if connections > 0 then ", or try again when clients have left" else ""
            ValueSome $"{wanted} descriptors are needed for new listeners and connection logs, and {free} of {descriptorLimit} are free for them; raise LimitNOFILE or ulimit -n{orWait}"

    /// What the program itself holds at most, without its clients, targets and listeners: itself, the loops of the Linux engine with their pipes and spare sockets,
    /// and the admin server, where there is one.
    let private ownDescriptors (descriptorLimit: int64) (loops: int) (application: ApplicationConfig) =
        let loop = loopDescriptors + 2L * int64 (mostPipes descriptorLimit loops) + int64 (mostSpareSockets descriptorLimit loops)
        let engine = if application.Engine = Engine.Managed then 0L else int64 loops * loop
        let admin = if application.Admin.IsSome then adminDescriptors + 1L else 0L
        programDescriptors + engine + admin

    /// Says so where the limit on descriptors (RLIMIT_NOFILE) cannot carry what `connection_limit` lets in, over all proxies, beside what the program
    /// itself holds (with so many loops), its listeners, its connection logs, and the reserve that accepting leaves; none where it can. Proxies
    /// without a limit ask for nothing that could be counted, but the admin server for what it holds.
    let connectionShortage (descriptorLimit: int64) (loops: int) (config: Config) : string voption =
        let connections = config.Proxies |> List.sumBy (fun p -> int64 p.Options.ConnectionLimit)
        let logs = config.Proxies |> List.choose _.Options.ConnectionLog |> List.distinct
        let files = int64 (config.Proxies.Length + logs.Length)
        let others = ownDescriptors descriptorLimit loops config.Application + files + int64 reservedDescriptors
        // The admin server does not start where it would leave nothing for clients.
        let isTooMuch = config.Application.Admin.IsSome && others + descriptorsPerConnection > descriptorLimit
        if isTooMuch then
            ValueSome $"Bitflow itself, with its admin server, may hold {others} descriptors, which leaves none for clients where the limit is {descriptorLimit}; raise LimitNOFILE or ulimit -n"
        elif connections = 0L || connections * descriptorsPerConnection + others <= descriptorLimit then
            ValueNone
        else
            ValueSome $"connection_limit lets in {connections} connections, which need {connections * descriptorsPerConnection} descriptors beside the {others} for Bitflow itself, and the limit is {descriptorLimit}; raise LimitNOFILE or ulimit -n, or lower connection_limit"

    /// What a start with a configuration would be short of, be it for what it opens, which it is refused for, or for what `connection_limit` lets in; none where it is
    /// nothing.
    [<CompiledName "Foreseen">]
    let foreseen (descriptorLimit: int64) (processors: int) (config: Config) (toOpen: int) : string voption =
        let loops = if config.Application.Engine = Engine.Managed then 1 else processors
        match openingShortage descriptorLimit loops 0L 0 toOpen with
        | ValueNone -> connectionShortage descriptorLimit processors config
        | shortage -> shortage
