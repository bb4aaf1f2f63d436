namespace Bitflow.Domain

/// What is told of a connection's life: in the log and the connection log, and to whoever counts.
[<RequireQualifiedAccess>]
module LifeAccount =
    /// The reason as it is recorded: a client that never sent a byte, and never got one, was a probe.
    [<CompiledName "RecordedReason">]
    let recordedReason (reason: CloseReason) (fromClient: int64) (fromTarget: int64) : CloseReason =
        match reason with
        | { Who = Who.Client; Phase = Phase.Relay; Cause = Cause.Ended | Cause.Reset | Cause.Truncated } when fromClient = 0L && fromTarget = 0L ->
            { reason with Cause = Cause.Probe }
        | _ -> reason

    /// What an attempt came to that this transition found to have failed; none where it found nothing of the kind.
    [<CompiledName "FailureOf">]
    let failureOf (before: Life) (after: Life) : DialFault voption =
        if after.FailedAttempts = before.FailedAttempts then ValueNone else after.LastFailure |> ValueOption.map (fun (struct (_, fault)) -> fault)

    /// Whether the client left while an attempt waited for its target.
    [<CompiledName "IsLeftWaiting">]
    let isLeftWaiting (before: Life) (after: Life) : bool =
        match before.Step, after.Step with
        | Step.Attempt _, Step.Ended(reason, _) -> reason.Who = Who.Client && after.FailedAttempts = before.FailedAttempts
        | _ -> false

    /// The fault that ended the connection; none where something else did, whatever attempts had come to by then.
    [<CompiledName "EndingFault">]
    let endingFault (life: Life) : DialFault voption =
        if life.IsGivenUp then life.LastFailure |> ValueOption.map (fun (struct (_, fault)) -> fault) else ValueNone

    /// Whether every attempt that was begun has failed: what is waited for, where it is not over, is the next.
    [<CompiledName "IsBetweenAttempts">]
    let isBetweenAttempts (life: Life) = life.Attempts > 0 && life.FailedAttempts = life.Attempts

    /// Why it ended, in a line for people: behind the reason what stands behind it, a failed attempt or `detail`.
    [<CompiledName "Explain">]
    let explain (life: Life) (reason: CloseReason) (detail: string) : string =
        let attempt (struct (target, fault)) =
            let target = life.Rules.Targets[target]
            $"target {target.Name} ({target.Address}) {DialFault.describe fault}"
        let attempts = if life.Attempts = 1 then "1 attempt" else $"{life.Attempts} attempts"
        match life.LastFailure with
        | ValueSome failure when (endingFault life).IsSome -> $"{attempt failure}, after {attempts}"
        | _ when detail <> "" -> CloseReason.explainWith reason detail
        | ValueSome failure when reason.Phase = Phase.Dial && isBetweenAttempts life ->
            $"{CloseReason.explain reason}, before attempt {life.Attempts + 1}; at the last, {attempt failure}"
        | ValueSome failure when reason.Phase = Phase.Dial -> $"{CloseReason.explain reason}, at attempt {life.Attempts}; before it, {attempt failure}"
        | _ when reason = CloseReason.unmatchedName ->
            match life.ServerName with
            | ValueSome name -> $"{CloseReason.explain reason}, {name}"
            | ValueNone -> $"{CloseReason.explain reason}: its hello has none"
        | _ -> CloseReason.explain reason
