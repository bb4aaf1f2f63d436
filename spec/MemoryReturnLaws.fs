module Bitflow.Spec.MemoryReturnLaws

open System
open Xunit
open Bitflow.Domain

[<Fact>]
let ``memory is returned only at rest, and never where a heap is so large that it would be noticed`` () =
    let rest, large = 512L * 1024L, 128L * 1024L * 1024L
    Law.HoldsFor(
        [ 0L, 0L, true; rest - 1L, large - 1L, true; rest, 0L, false; 0L, large, false; rest, large, false; Int64.MaxValue, 0L, false ],
        fun (allocated, heap, due) -> MemoryReturn.isDue allocated heap = due)

[<Fact>]
let ``few more connections than at the last return are not worth a look`` () =
    Law.Holds(fun (openThen: uint16) (more: byte) ->
        not (MemoryReturn.isWorthALook (int openThen) (int openThen + int more)))

[<Fact>]
let ``with few open, 256 more connections are worth a look, and with many, a quarter more`` () =
    Law.HoldsFor(
        [ 0, 255, false; 0, 256, true; 1000, 1255, false; 1000, 1256, true; 4000, 4999, false; 4000, 5000, true ],
        fun (openThen, openNow, worth) -> MemoryReturn.isWorthALook openThen openNow = worth
    )

[<Fact>]
let ``a server that fills up to a hundred thousand connections returns memory at most forty times on the way`` () =
    let rec returns openThen openNow count =
        if openNow > 100_000 then count
        elif MemoryReturn.isWorthALook openThen openNow then returns openNow (openNow + 1) (count + 1)
        else returns openThen (openNow + 1) count

    Assert.InRange(returns 0 0 0, 1, 40)

[<Fact>]
let ``connections that ended count anew`` () =
    Law.Holds(fun (openThen: uint16) (openNow: uint16) ->
        let remembered = MemoryReturn.remembered (int openThen) (int openNow)
        remembered <= int openThen && remembered <= int openNow && (remembered = int openThen || remembered = int openNow))
