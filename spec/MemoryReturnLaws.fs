module Bitflow.Spec.MemoryReturnLaws

open System
open FsCheck
open Xunit
open Bitflow.Domain

let private rest, large = 512L * 1024L, 128L * 1024L * 1024L

/// A program in which nothing is returned yet and so many connections are open, looked at in the midst of the burst.
let private inBurst openNow =
    let struct (memory, _) = MemoryReturn.accepted openNow 0L MemoryReturn.start
    memory

/// A program at rest that has just returned memory with so many connections open: 256 at the least, or nothing is returned yet.
let private returnedAt openNow =
    let struct (memory, _) = MemoryReturn.looked openNow 0L 0L (inBurst openNow)
    memory

let private orders struct (_: MemoryReturn, orders: MemoryOrder list) = orders

let private isReturn (orders: MemoryOrder list) = orders |> List.exists _.IsCollect

let private lookIn (orders: MemoryOrder list) =
    orders |> List.choose (function MemoryOrder.LookIn wait -> Some wait.TotalMilliseconds | _ -> None)

[<Fact>]
let ``memory is returned only at rest, and never where a heap is so large that it would be noticed`` () =
    Law.HoldsFor(
        [ 0L, 0L, true; rest - 1L, large - 1L, true; rest, 0L, false; 0L, large, false; rest, large, false; Int64.MaxValue, 0L, false ],
        fun (allocated, heap, due) -> isReturn (orders (MemoryReturn.looked 1000 allocated heap (inBurst 1000))) = due)

[<Fact>]
let ``a burst that is not over is looked at every 200 ms, by what was allocated since the last look`` () =
    Law.HoldsFor([ 1L; 2L; 1000L ], fun looks ->
        let lasting =
            (inBurst 1000, [ 1L .. looks ]) ||> List.fold (fun memory look ->
                let struct (next, orders) = MemoryReturn.looked 1000 (look * rest) 0L memory
                if isReturn orders || lookIn orders <> [ 200.0 ] then failwith $"%A{orders}"
                next)
        isReturn (orders (MemoryReturn.looked 1000 (looks * rest + rest - 1L) 0L lasting)))

[<Fact>]
let ``few more connections than at the last return are not worth a look`` () =
    Law.Holds(fun (more: uint16) (yetMore: byte) ->
        let openThen = 256 + int more
        orders (MemoryReturn.accepted (openThen + int yetMore) 0L (returnedAt openThen)) |> List.isEmpty)

[<Fact>]
let ``with few open, 256 more connections are worth a look, and with many, a quarter more`` () =
    Law.HoldsFor(
        [ 0, 255, []; 0, 256, [ 200.0 ]; 1000, 1255, []; 1000, 1256, [ 200.0 ]; 4000, 4999, []; 4000, 5000, [ 200.0 ] ],
        fun (openThen, openNow, looks) -> lookIn (orders (MemoryReturn.accepted openNow 0L (returnedAt openThen))) = looks
    )

[<Fact>]
let ``while a burst is looked at, more connections change nothing`` () =
    Law.Holds(fun (more: NonNegativeInt) (allocated: NonNegativeInt) ->
        orders (MemoryReturn.accepted (1000 + more.Get) (int64 allocated.Get) (inBurst 1000)) |> List.isEmpty)

[<Fact>]
let ``a server that fills up to a hundred thousand connections returns memory at most forty times on the way`` () =
    let rec returns openNow memory count =
        if openNow > 100_000 then
            count
        else
            let struct (memory, _) = MemoryReturn.accepted openNow 0L memory
            let struct (memory, orders) = MemoryReturn.looked openNow 0L 0L memory
            returns (openNow + 1) memory (if isReturn orders then count + 1 else count)

    Assert.InRange(returns 0 MemoryReturn.start 0, 1, 40)

[<Fact>]
let ``connections that ended count anew`` () =
    Law.Holds(fun (more: uint16) (gone: uint16) ->
        let openNow = max 0 (256 + int more - int gone)
        let struct (memory, _) = MemoryReturn.accepted openNow 0L (returnedAt (256 + int more))
        let wanted = max 256 (openNow / 4)
        orders (MemoryReturn.accepted (openNow + wanted - 1) 0L memory) |> List.isEmpty
        && lookIn (orders (MemoryReturn.accepted (openNow + wanted) 0L memory)) = [ 200.0 ])

[<Fact>]
let ``behind a return the heaps are trimmed at once, and three times more while the compiler lets go of what it kept`` () =
    let rec looks memory =
        let struct (memory, orders) = MemoryReturn.looked 1000 Int64.MaxValue 0L memory
        orders :: (if (lookIn orders).IsEmpty then [] else looks memory)

    let struct (memory, first) = MemoryReturn.looked 1000 0L 0L (inBurst 1000)
    let told = first :: looks memory |> List.map (fun orders -> orders |> List.filter (fun order -> not order.IsLookIn) |> List.map string, lookIn orders)
    Law.HoldsFor(
        [ told ],
        fun told ->
            told = [ [ "Collect"; "Trim" ], [ 2_200.0 ]; [ "Trim" ], [ 2_200.0 ]; [ "Trim" ], [ 2_200.0 ]; [ "Trim" ], [] ])

[<Fact>]
let ``a heap that is too large to be collected is left to the collector, and the rest is trimmed as behind a return`` () =
    Law.HoldsFor([ large; Int64.MaxValue ], fun heap ->
        let struct (memory, first) = MemoryReturn.looked 1000 0L heap (inBurst 1000)
        not (isReturn first)
        && first |> List.exists _.IsTrim
        && lookIn first = [ 2_200.0 ]
        && orders (MemoryReturn.accepted 1255 0L memory) |> List.isEmpty)

[<Fact>]
let ``a burst of connections that have gone before the look is none: nothing is returned, and the next one is looked at again`` () =
    Law.Holds(fun (left: byte) ->
        let struct (memory, orders') = MemoryReturn.looked (int left) 0L 0L (inBurst 1000)
        orders'.IsEmpty && lookIn (orders (MemoryReturn.accepted 1000 0L memory)) = [ 200.0 ])

[<Fact>]
let ``bursts that were none cost a return none of the looks behind it`` () =
    Law.HoldsFor([ 0; 1; 10 ], fun bursts ->
        let memory =
            (returnedAt 1000, [ 1..bursts ]) ||> List.fold (fun memory _ ->
                let struct (memory, _) = MemoryReturn.accepted 1256 0L memory
                let struct (memory, orders) = MemoryReturn.looked 1000 0L 0L memory
                if lookIn orders <> [ 2_200.0 ] || orders |> List.exists _.IsTrim then failwith $"%A{orders}"
                memory)
        let rec trims memory =
            let struct (memory, orders) = MemoryReturn.looked 1000 0L 0L memory
            (if orders |> List.exists _.IsTrim then 1 else 0) + (if (lookIn orders).IsEmpty then 0 else trims memory)
        trims memory = 3)

[<Fact>]
let ``connections that came while nobody counted are looked at as a burst of their own`` () =
    Law.HoldsFor([ 1256; 2000; Int32.MaxValue ], fun openNow ->
        let struct (memory, first) = MemoryReturn.looked openNow 0L 0L (returnedAt 1000)
        lookIn first = [ 200.0 ] && not (isReturn first) && isReturn (orders (MemoryReturn.looked openNow 0L 0L memory)))

[<Fact>]
let ``each order is carried out by its own member`` () =
    let carriedOut order =
        let calls = ResizeArray<string>()
        order |> MemoryOrder.carryOut
            { new IMemoryGuard with
                member _.Collect() = calls.Add "collect"
                member _.Trim() = calls.Add "trim"
                member _.LookIn wait = calls.Add $"look in {wait}" }
        List.ofSeq calls
    Law.HoldsFor([ MemoryOrder.Collect, [ "collect" ]; MemoryOrder.Trim, [ "trim" ]; MemoryOrder.LookIn(Duration.OfSeconds 1L), [ "look in 1s" ] ], fun (order, calls) -> carriedOut order = calls)
