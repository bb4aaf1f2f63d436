namespace Bitflow.Domain

open System

/// A failure that the log tells of, without what differs from one occurrence to the next.
type LoggedFailure =
    { Level: LogLevel
      /// The message without the values filled in.
      Template: string
      /// To whom it happened and why, by the names of the template.
      About: (string * string) list }

/// Which lines of the log tell of the same failure, so that a flood of one is said in ten lines a second.
[<RequireQualifiedAccess>]
module LoggedFailure =
    let private telling = [ "Proxy"; "Target"; "Reason"; "Path"; "Fault" ]

    /// The failure that a line tells of: a warning or an error, or at a lower level the fault of an attempt or the disorderly end of a
    /// connection. None for any other line, of which each is said.
    /// <param name="value">What the template's place of this name was filled with; null where it has none.</param>
    [<CompiledName "TryOf">]
    let tryOf (level: LogLevel) (template: string) (value: Func<string, string>) : LoggedFailure voption =
        let about = [ for name in telling do match value.Invoke name with null -> () | filled -> name.ToLowerInvariant(), filled ]
        let has name = about |> List.tryFind (fun (key, _) -> key = name) |> Option.map snd
        let isDisorderlyEnd =
            match has "reason" |> Option.map CloseReason.tryParse with
            | Some(ValueSome reason) -> not (CloseReason.isOrderly reason)
            | _ -> false
        if level >= LogLevel.Warn || (has "fault").IsSome || isDisorderlyEnd then
            ValueSome { Level = level; Template = template; About = about }
        else
            ValueNone

    /// As it is named where its repetitions are counted.
    [<CompiledName "Describe">]
    let describe (failure: LoggedFailure) =
        if failure.About.IsEmpty then failure.Template
        else failure.About |> List.map (fun (name, value) -> $"{name} {value}") |> String.concat ", "

    /// Ten of one a second, of a thousand at a time.
    [<CompiledName "Limit">]
    let limit () : RepeatLimit<LoggedFailure> = RepeatLimit.create 10 (Duration.OfSeconds 1L) 1_000
