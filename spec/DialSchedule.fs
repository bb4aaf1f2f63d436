/// A dial plan to its end, for laws and explorations.
module Bitflow.Spec.DialSchedule

open Bitflow.Domain

/// Every attempt where nobody answers: target, attempt, and the wait before it. Lazy, for there may be a thousand a target.
let attempts (targets: TargetConfig[]) (order: int[]) : struct (int * int * Duration) seq =
    let silence = DialFault.ConnectTimeout(DialWait.Connection Hop.Target)
    (if Array.isEmpty order then NextAttempt.GiveUp else NextAttempt.After(Duration.Zero, DialPlan.start order))
    |> Seq.unfold (fun next ->
        match next with
        | NextAttempt.After(wait, plan) -> Some(struct (plan.Target, plan.Attempt, wait), DialPlan.afterFailure targets plan silence)
        | NextAttempt.GiveUp -> None)
