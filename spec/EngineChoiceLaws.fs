module Bitflow.Spec.EngineChoiceLaws

open Xunit
open Bitflow.Domain

let private engines = [ Engine.Auto; Engine.Linux; Engine.Managed ]

[<Fact>]
let ``the portable engine is taken where it is asked for, and where there is no other`` () =
    Law.HoldsFor(List.allPairs engines [ true; false ], fun (engine, onLinux) -> EngineChoice.isManaged engine onLinux = (not onLinux || engine = Engine.Managed))

[<Fact>]
let ``the portable engine stands in only where nobody asked for the other and only the other needs what is refused`` () =
    let wants = [ Errno.EMFILE; Errno.ENFILE; Errno.ENOMEM; Errno.ENOSPC ]
    Law.HoldsFor(
        [ for engine in [ Engine.Auto; Engine.Linux ] do
              for call in [ "eventfd2"; "epoll_create1"; "epoll_ctl"; "clone" ] do
                  for errno in Errno.EPERM :: Errno.ENOSYS :: wants -> engine, call, errno ],
        fun (engine, call, errno) ->
            let standsIn = engine = Engine.Auto && call = "eventfd2" && not (List.contains errno wants)
            (EngineChoice.without engine call errno).IsOk = standsIn)

[<Fact>]
let ``what keeps an engine from running is told with the call and the way out`` () =
    Law.HoldsFor(
        [ Engine.Auto, "eventfd2", Errno.EPERM, "the Linux engine cannot run: eventfd2 is refused (Operation not permitted), by a seccomp filter perhaps; the portable engine carries the connections, at a higher cost"
          Engine.Linux, "eventfd2", Errno.EPERM, "application.engine: linux cannot run: eventfd2 is refused (Operation not permitted); allow the call, which a seccomp filter may forbid, or write auto"
          Engine.Auto, "epoll_create1", Errno.ENOSYS, "no engine can run: epoll_create1 is refused (Function not implemented); allow the call, which a seccomp filter may forbid"
          Engine.Auto, "eventfd2", Errno.EMFILE, "no engine can run: eventfd2: this process is out of descriptors"
          Engine.Auto, "clone", Errno.EAGAIN, "no engine can run: a thread for a loop, one a processor, cannot be had: memory or threads have run out (pids.max, RLIMIT_NPROC); allow more, or set DOTNET_PROCESSOR_COUNT to fewer processors" ],
        fun (engine, call, errno, expected) -> (match EngineChoice.without engine call errno with Ok text -> text | Error text -> text) = expected)
