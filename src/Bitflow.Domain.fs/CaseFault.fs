namespace Bitflow.Domain

/// What is wrong with a case that `bitflow test` is to run, beyond the shape of what is written. Text is made of these in `describe` alone.
[<RequireQualifiedAccess>]
type CaseFault =
    | Client of text: string
    | Header of text: string
    | ServerName of text: string * error: ServerNameFault
    | Count of text: string * most: int64
    | Refusal of text: string
    // Keys beside each other
    | AliveAndDown
    | TargetAndRefused
    | ExpectsNothing

[<RequireQualifiedAccess>]
module CaseFault =
    /// What is wrong, and what would be right.
    let describe fault =
        match fault with
        | CaseFault.Client text -> $"\"{text}\" is no address; write 10.1.2.3, 10.1.2.3:5000, \"[::1]:5000\" or unix"
        | CaseFault.Header text ->
            $"\"{text}\" is no client's address; write one (and behind a comma the one that it connected to, of the same family), local or unknown"
        | CaseFault.ServerName(text, error) -> $"\"{text}\" is no server name: {ServerName.describeFault error}"
        | CaseFault.Count(text, most) -> $"\"{text}\" is not a whole number from 0 to {most}; write decimal digits alone, as in 3"
        | CaseFault.Refusal text ->
            let hint = match Spelling.similar text (List.ofSeq (CloseReason.allTexts ())) with ValueSome name -> $"; did you mean {name}?" | ValueNone -> ""
            $"\"{text}\" is no close reason, and not true for any; write bitflow.admission.refused, or refused, for example{hint}"
        | CaseFault.AliveAndDown -> "the targets that are not alive are down: write alive or down, not both"
        | CaseFault.TargetAndRefused -> "a client that is refused reaches no target: write target or refused, not both"
        | CaseFault.ExpectsNothing -> "nothing is expected; write target, refused, certificate or attempts"
