module Bitflow.Spec.BalancerLaws

open Xunit
open Bitflow.Domain

let private names count = [ for i in 1..count -> $"t{i}.example" ]
let private order policy count ticket name = Balancer.order policy (NameTable(names count)) count ticket name
let private small n = 1 + abs (n % 12)

[<Fact>]
let ``no order names a target twice, or one that there is not`` () =
    Law.Holds(fun (policy: Policy) (ConfiguredNames names) (ticket: int64) (WrittenName asked) (hasName: bool) ->
        let name = if hasName then ValueSome(Sample.serverName asked) else ValueNone
        let order = Balancer.order policy (NameTable names) names.Length ticket name
        Array.distinct order = order && order |> Array.forall (fun i -> i >= 0 && i < names.Length))

[<Fact>]
let ``none tries the first target and no other`` () =
    Law.Holds(fun (n: int) (ticket: int64) -> order Policy.None (small n) ticket ValueNone = [| 0 |])

[<Fact>]
let ``failover tries all targets in the order of the file`` () =
    Law.Holds(fun (n: int) (ticket: int64) -> order Policy.Failover (small n) ticket ValueNone = [| 0 .. small n - 1 |])

[<Fact>]
let ``round robin begins at the ticket's target and goes on round the list until all were tried`` () =
    Law.Holds(fun (n: int) (ticket: uint32) ->
        let count = small n
        let mutable rest = [ 0 .. count - 1 ]
        for _ in 1 .. int (ticket % uint32 count) do
            rest <- List.tail rest @ [ List.head rest ]
        List.ofArray (order Policy.RoundRobin count (int64 ticket) ValueNone) = rest)

[<Fact>]
let ``over any window of tickets no target begins more than once oftener than another`` () =
    Law.Holds(fun (n: int) (start: int64) (window: int) ->
        let count = small n
        // Between 2^64 - 1 and 0 a window may see a target twice; that is one connection in 18 million million million.
        let start = start &&& 0x3FFF_FFFF_FFFF_FFFFL
        let firsts = [ for i in 0L .. int64 (abs (window % 200)) -> (order Policy.RoundRobin count (start + i) ValueNone)[0] ]
        let times = [ for target in 0 .. count - 1 -> firsts |> List.filter ((=) target) |> List.length ]
        List.max times - List.min times <= 1)

[<Fact>]
let ``a ticket that has wrapped below zero still finds a target`` () =
    Law.HoldsFor([ for count in 1..5 do for ticket in [ System.Int64.MinValue; -1L; -2L; System.Int64.MaxValue ] -> count, ticket ], fun (count, ticket) ->
        Array.sort (order Policy.RoundRobin count ticket ValueNone) = [| 0 .. count - 1 |])

[<Fact>]
let ``sni tries exactly the best match, and nobody where there is none`` () =
    Law.Holds(fun (ConfiguredNames names) (ticket: int64) (WrittenName asked) ->
        let table = NameTable names
        let name = ValueSome(Sample.serverName asked)
        match Balancer.order Policy.Sni table names.Length ticket name, table.BestMatch name with
        | [| index |], ValueSome best -> index = best
        | [||], ValueNone -> true
        | _ -> false)

[<Fact>]
let ``only sni looks at the server name, and only round robin at the ticket`` () =
    Law.Holds(fun (policy: Policy) (n: int) (ticket: int64) (WrittenName asked) ->
        let count = small n
        let name = ValueSome(Sample.serverName asked)
        (policy = Policy.Sni || order policy count ticket name = order policy count ticket ValueNone)
        && (Balancer.needsTicket policy || order policy count ticket name = order policy count 0L name))

[<Fact>]
let ``a target that is not reachable is never chosen, and one that is can be`` () =
    Law.Holds(fun (policy: Policy) (ConfiguredNames names) (WrittenName asked) ->
        let table = NameTable names
        let reachable = set (Balancer.reachable policy names)
        let chosen name = Balancer.order policy table names.Length 0L name |> Set.ofArray
        let witness i =
            match ServerName.tryPattern names[i] with
            | ValueSome(NamePattern.Exact text) -> ValueSome(Sample.serverName text)
            | ValueSome(NamePattern.Wildcard suffix) -> ValueSome(Sample.serverName $"quite-another.{suffix}")
            | _ -> ValueNone
        names.IsEmpty
        || (Set.isSubset (chosen (ValueSome(Sample.serverName asked))) reachable
            && Set.isSubset (chosen ValueNone) reachable
            && reachable |> Set.forall (fun i -> (chosen (witness i)).Contains i)))
