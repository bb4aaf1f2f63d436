module Bitflow.Spec.DescriptorBudgetLaws

open System
open Xunit
open Bitflow.Domain

[<Fact>]
let ``the admin server answers out of half of what accepting clients leaves, and leaves the other half`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L ] do for inUse in 0 .. int limit -> limit, inUse ], fun (limit, inUse) ->
        DescriptorBudget.mayAdminAccept limit inUse = (limit - int64 inUse > 16L)
        && (not (DescriptorScarcity.goesOn inUse 0 1 (DescriptorScarcity.start limit)) || DescriptorBudget.mayAdminAccept limit inUse))

[<Fact>]
let ``the admin server starts exactly where there is room for it and for what it leaves`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L ] do for inUse in 0 .. int limit + 1 -> limit, inUse ], fun (limit, inUse) ->
        (DescriptorBudget.adminShortage limit inUse).IsNone = (limit - int64 inUse >= 74L))

[<Fact>]
let ``the program starts exactly where the limit leaves room for itself, three descriptors a loop, and the reserve`` () =
    Law.HoldsFor([ for limit in 0L..400L do for processors in [ 1; 2; 64 ] do for serves in [ true; false ] -> limit, processors, serves ], fun (limit, processors, serves) ->
        (DescriptorBudget.startShortage limit processors serves).IsNone = (limit >= 138L + (if serves then 3L * int64 processors else 0L)))

[<Fact>]
let ``who cannot start says how many descriptors there may be, how many serving needs, though a command needs fewer, and what to raise`` () =
    Law.HoldsFor([ 64L, 2, false, [ "64"; "144"; "LimitNOFILE"; "ulimit -n" ]; 200L, 64, true, [ "200"; "330" ] ], fun (limit, processors, serves, words) ->
        words |> List.forall (ValueOption.get (DescriptorBudget.startShortage limit processors serves)).Contains)

[<Fact>]
let ``listeners and connection logs are opened exactly where they leave half of what accepting leaves, beside what is open or what the program comes to hold`` () =
    // 106 for the program and 3 for each of two loops.
    Law.HoldsFor([ for limit in [ 144L; 256L; 1024L ] do for inUse in [ 0L; 80L; 112L; 113L; limit - 17L; limit - 16L; int64 Int32.MaxValue ] do for wanted in [ 0; 1; 16; 17; 128; 129; 400 ] -> limit, inUse, wanted ],
        fun (limit, inUse, wanted) ->
            (DescriptorBudget.openingShortage limit 2 inUse 1 wanted).IsNone = (wanted = 0 || limit - max inUse 112L - int64 wanted >= 16L))

[<Fact>]
let ``who cannot open all that is new says how much that is, how much there is room for, and what to do, and waits for clients only where there are any`` () =
    let words connections = ValueOption.get (DescriptorBudget.openingShortage 256L 2 150L connections 91)
    Law.HoldsFor([ "91"; "90 of 256"; "LimitNOFILE"; "ulimit -n" ], fun word -> (words 0).Contains word && (words 1).Contains word)
    Law.HoldsFor([ 0, false; 1, true ], fun (connections, waits) -> (words connections).Contains "when clients have left" = waits)

let private config limits application =
    { Application = application; Proxies = [ for i, limit in List.indexed limits -> { Sample.proxy $"p{i}" with Options = { (Sample.proxy "").Options with ConnectionLimit = limit } } ] }

[<Fact>]
let ``a shortage of descriptors is said where two a connection, what the program holds and the reserve are more than there are`` () =
    let managed = { Sample.application with Engine = Engine.Managed }
    let linux = { Sample.application with Engine = Engine.Linux }
    let admin = { managed with Admin = Some(Address.UnixPath "/a") }
    Law.HoldsFor(
        // 106 for the program, 32 in reserve, one for each listener, 41 for the admin server; a loop 3, its pipes, which are two descriptors each, and its spare sockets.
        [ [ 442 ], managed, 1, true; [ 443 ], managed, 1, false; [ 221; 221 ], managed, 1, true; [ 221; 222 ], managed, 1, false
          [ 422 ], admin, 1, true; [ 423 ], admin, 1, false; [ 490 ], admin, 2, false
          [ 399 ], linux, 2, true; [ 400 ], linux, 2, false; [ 0; 0 ], managed, 1, true ],
        fun (limits, application, loops, isEnough) -> (DescriptorBudget.connectionShortage 1024L loops (config limits application)).IsNone = isEnough
    )

[<Fact>]
let ``proxies without a limit ask for nothing, but beside an admin server for one client`` () =
    // 106 for the program, 32 in reserve, one for the listener, 41 for the admin server, 2 for the client.
    let managed = { Sample.application with Engine = Engine.Managed }
    let admin = { managed with Admin = Some(Address.UnixPath "/a") }
    Law.HoldsFor([ 0L, managed, true; 64L, managed, true; 181L, admin, false; 182L, admin, true ], fun (limit, application, isEnough) ->
        (DescriptorBudget.connectionShortage limit 1 (config [ 0 ] application)).IsNone = isEnough)

[<Fact>]
let ``proxies that share a connection log share its descriptor`` () =
    let logged paths =
        let config = config [ for _ in paths -> 223 ] { Sample.application with Engine = Engine.Managed }
        { config with Proxies = List.map2 (fun (proxy: ProxyConfig) path -> { proxy with Options = { proxy.Options with ConnectionLog = Some path } }) config.Proxies paths }
    Law.HoldsFor(
        [ [ "/a"; "/a" ], 1033L, true; [ "/a"; "/a" ], 1032L, false; [ "/a"; "/b" ], 1033L, false; [ "/a"; "/b" ], 1034L, true ],
        fun (paths, limit, isEnough) -> (DescriptorBudget.connectionShortage limit 1 (logged paths)).IsNone = isEnough)

[<Fact>]
let ``what a start is refused for is foreseen, on one loop or one for each processor, and else what connections are short of`` () =
    let managed, linux = { Sample.application with Engine = Engine.Managed }, { Sample.application with Engine = Engine.Linux }
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L ] do for wanted in [ 0; 1; 100; 130; 131; 890 ] do for connections in [ 0; 400; 500 ] -> limit, wanted, connections ], fun (limit, wanted, connections) ->
        [ managed, 1; linux, 4 ] |> List.forall (fun (application, loops) ->
            let config = config [ connections ] application
            let refused = DescriptorBudget.openingShortage limit loops 0L 0 wanted
            DescriptorBudget.foreseen limit 4 config wanted = if refused.IsNone then DescriptorBudget.connectionShortage limit 4 config else refused))

[<Fact>]
let ``the pipes of all loops take at most a sixteenth of the descriptors, and a loop has one at least and 64 at most`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L; 20_000L; 1_000_000L; Int64.MaxValue ] do for loops in [ 1; 2; 8; 64 ] -> limit, loops ], fun (limit, loops) ->
        let pipes = DescriptorBudget.mostPipes limit loops
        pipes >= 1 && pipes <= 64 && (pipes = 1 || 2L * int64 pipes * int64 loops <= limit / 16L))

[<Fact>]
let ``the spare sockets of all loops take at most a sixty-fourth of the descriptors, and a loop has 64 at most`` () =
    Law.HoldsFor([ for limit in [ 64L; 144L; 256L; 1024L; 20_000L; 1_000_000L; Int64.MaxValue ] do for loops in [ 0; 1; 2; 8; 64 ] -> limit, loops ], fun (limit, loops) ->
        let spares = DescriptorBudget.mostSpareSockets limit loops
        spares = int (min 64L (limit / 64L / int64 (max 1 loops))))
