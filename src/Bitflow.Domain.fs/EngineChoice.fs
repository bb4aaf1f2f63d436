namespace Bitflow.Domain

open System.Runtime.InteropServices

/// Which engine carries the connections.
[<RequireQualifiedAccess>]
module EngineChoice =
    /// `auto` is the engine that is at home on this system.
    [<CompiledName "IsManaged">]
    let isManaged (engine: Engine) (onLinux: bool) = engine = Engine.Managed || not onLinux

    /// What to do where the Linux engine cannot run, because a call that its loops stand on was answered with `errno` (`clone`: no thread): take the portable one, with a
    /// warning, or give up, with what is to be done. The portable one stands on epoll as well, and wants what the other wants.
    [<CompiledName "Without">]
    let without (engine: Engine) (call: string) (errno: int) : Result<string, string> =
        let fault = IoFaults.ofEpoll errno
        let refused = $"{call} is refused ({Marshal.GetPInvokeErrorMessage errno})"
        if call = "clone" then
            Error "no engine can run: a thread for a loop, one a processor, cannot be had: memory or threads have run out (pids.max, RLIMIT_NPROC); allow more, or set DOTNET_PROCESSOR_COUNT to fewer processors"
        elif IoFaults.isWant fault then
            Error $"no engine can run: {call}: {IoFaults.reason fault}"
        elif call.StartsWith("epoll", System.StringComparison.Ordinal) then
            Error $"no engine can run: {refused}; allow the call, which a seccomp filter may forbid"
        elif engine = Engine.Linux then
            Error $"application.engine: linux cannot run: {refused}; allow the call, which a seccomp filter may forbid, or write auto"
        else
            Ok $"the Linux engine cannot run: {refused}, by a seccomp filter perhaps; the portable engine carries the connections, at a higher cost"
