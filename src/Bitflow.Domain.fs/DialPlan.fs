namespace Bitflow.Domain

/// How one connection works through its targets: all attempts of one, with their waits, before the next.
[<NoComparison>]
type DialPlan =
    { /// Targets by index, in the order of the balancing policy; at least one.
      Order: int[]
      /// The place in `Order` that is being tried.
      Place: int
      /// The attempt at that target, from 1.
      Attempt: int
      /// Attempts begun so far, over all targets.
      Begun: int }

    member this.Target = this.Order[this.Place]

/// What follows a failed attempt.
[<RequireQualifiedAccess; NoComparison>]
type NextAttempt =
    /// Try so, after a wait (zero: at once).
    | After of wait: Duration * plan: DialPlan
    | GiveUp

[<RequireQualifiedAccess>]
module DialPlan =
    /// The first attempt at the first target.
    let start (order: int[]) : DialPlan = { Order = order; Place = 0; Attempt = 1; Begun = 1 }

    let afterFailure (targets: TargetConfig[]) (plan: DialPlan) (fault: DialFault) : NextAttempt =
        let target = targets[plan.Target]
        if DialFault.isRetryable fault && plan.Attempt < target.ConnectAttempts then
            let attempt = plan.Attempt + 1
            NextAttempt.After(Backoff.before target.ConnectBackoff attempt, { plan with Attempt = attempt; Begun = plan.Begun + 1 })
        elif plan.Place + 1 < plan.Order.Length then
            NextAttempt.After(Duration.Zero, { plan with Place = plan.Place + 1; Attempt = 1; Begun = plan.Begun + 1 })
        else
            NextAttempt.GiveUp

    /// Every attempt, when all of them fail in no time: target, attempt, and the wait before it. For explanations.
    let schedule (targets: TargetConfig[]) (order: int[]) : (int * int * Duration) list =
        let rec go (wait: Duration) (plan: DialPlan) =
            (plan.Target, plan.Attempt, wait)
            :: (match afterFailure targets plan DialFault.ConnectTimeout with
                | NextAttempt.After(wait, plan) -> go wait plan
                | NextAttempt.GiveUp -> [])
        if Array.isEmpty order then [] else go Duration.Zero (start order)

    /// The longest that dialling can take when nothing answers: every attempt its full timeout, and every wait.
    let longest (targets: TargetConfig[]) (order: int[]) : Duration =
        let add (total: Duration) index =
            let target = targets[index]
            let attempt (total: Duration) k = total + Backoff.before target.ConnectBackoff k + target.ConnectTimeout
            Seq.fold attempt total (seq { 1 .. target.ConnectAttempts })
        Array.fold add Duration.Zero order

    /// The share of an attempt's remaining time that goes to one of several addresses of a name: equal parts, at least
    /// two seconds where that much is left, and all of the rest for the last.
    [<CompiledName "AddressShare">]
    let addressShare (left: Duration) (addressesLeft: int) : Duration =
        if addressesLeft <= 1 then
            left
        else
            let least = min 2_000_000_000L left.TotalNanoseconds
            Duration.OfNanoseconds(max least (left.TotalNanoseconds / int64 addressesLeft))
