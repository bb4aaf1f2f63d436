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
    /// As many attempts as a target can be configured to have.
    let mostAttempts = 1_000

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

    /// The longest that dialling can take when nothing answers: every attempt its full timeout, and every wait. Without
    /// a connect_timeout there is no such bound, and the answer is the longest duration there is.
    let longest (targets: TargetConfig[]) (order: int[]) : Duration =
        let add (total: Duration) index =
            let target = targets[index]
            let timeout = if target.ConnectTimeout.IsPositive then target.ConnectTimeout else Duration.Max
            let attempt (total: Duration) k = total + Backoff.before target.ConnectBackoff k + timeout
            Seq.fold attempt total (seq { 1 .. target.ConnectAttempts })
        Array.fold add Duration.Zero order
