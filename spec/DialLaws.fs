module Bitflow.Spec.DialLaws

open Xunit
open Bitflow.Domain

let private plan targets order = DialSchedule.attempts (List.toArray targets) order |> Seq.toList
let private order (p: ProxyConfig) = [| 0 .. p.Targets.Length - 1 |]

[<Fact>]
let ``all attempts of one target come before the first of the next, each numbered from one`` () =
    Law.Holds(fun (SmallProxy p) ->
        let expected = [ for i, target in List.indexed p.Targets do for attempt in 1 .. target.ConnectAttempts -> i, attempt ]
        [ for struct (target, attempt, _) in plan p.Targets (order p) -> target, attempt ] = expected)

[<Fact>]
let ``the wait before an attempt is its target's backoff, and the next target begins at once`` () =
    Law.Holds(fun (SmallProxy p) ->
        plan p.Targets (order p)
        |> List.forall (fun struct (target, attempt, wait) -> wait = Backoff.before p.Targets[target].ConnectBackoff attempt))

[<Fact>]
let ``a plan ends: no more attempts are made than the targets allow together, whatever happens`` () =
    Law.Holds(fun (SmallProxy p) (faults: DialFault list) ->
        let targets = List.toArray p.Targets
        let faults = if faults.IsEmpty then [ DialFault.ConnectTimeout(DialWait.Connection Hop.Target) ] else faults
        let most = p.Targets |> List.sumBy _.ConnectAttempts
        let rec go n (plan: DialPlan) =
            plan.Begun = n
            && n <= most
            && (match DialPlan.afterFailure targets plan faults[n % faults.Length] with
                | NextAttempt.After(_, next) -> go (n + 1) next
                | NextAttempt.GiveUp -> plan.Place = plan.Order.Length - 1)
        go 1 (DialPlan.start (order p)))

[<Fact>]
let ``a certificate that does not verify and a used-up descriptor are not tried again, but the next target is`` () =
    Law.Holds(fun (SmallProxy p) (fault: DialFault) ->
        let final = match fault with DialFault.Certificate _ | DialFault.UsedUp -> true | _ -> false
        match DialPlan.afterFailure (List.toArray p.Targets) (DialPlan.start (order p)) fault with
        | NextAttempt.GiveUp -> p.Targets.Length = 1 && (final || p.Targets[0].ConnectAttempts = 1)
        | NextAttempt.After(wait, next) ->
            if final || p.Targets[0].ConnectAttempts = 1 then next.Place = 1 && next.Attempt = 1 && wait.IsZero
            else next.Place = 0 && next.Attempt = 2)

[<Fact>]
let ``the longest time to give up is every timeout and every wait, and none is longer than no timeout at all`` () =
    Law.Holds(fun (SmallProxy p) ->
        let targets = List.toArray p.Targets
        let unlimited = p.Targets |> List.exists (fun t -> not t.ConnectTimeout.IsPositive)
        let sum =
            plan p.Targets (order p)
            |> List.sumBy (fun struct (target, _, wait) -> decimal wait.TotalNanoseconds + decimal targets[target].ConnectTimeout.TotalNanoseconds)
        let longest = DialPlan.longest targets (order p)
        if unlimited then longest = Duration.Max else decimal longest.TotalNanoseconds = sum)

[<Fact>]
let ``a plan over very many attempts is read without running out of stack`` () =
    Law.HoldsFor([ 300 ], fun count ->
        let targets = Array.init count (fun i -> { Sample.target $"t{i}" with ConnectAttempts = 1_000 })
        Seq.length (DialSchedule.attempts targets [| 0 .. count - 1 |]) = count * 1_000)
