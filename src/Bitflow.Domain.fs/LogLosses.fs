namespace Bitflow.Domain

/// Since lines of a connection log are lost.
[<Struct; NoComparison>]
type LossEpisode =
    private
        { LastLoss: Instant
          /// Whether lines have been written since.
          IsWrittenSince: bool }

/// Whether lines of a connection log are being lost, as a state that the caller keeps.
[<NoComparison>]
type LogLosses =
    private
        { Episode: LossEpisode voption }

/// When an operator is told that lines of a connection log are lost, and when that it can be written again. A reader that is a little too slow (of a pipe) loses some every
/// other moment: that is one episode, and is told once. Every transition is total.
[<RequireQualifiedAccess>]
module LogLosses =
    /// Without a loss, until an episode is over.
    let private calm = Duration.OfSeconds 5L

    /// How long the reader of a full pipe may take to make some room, before lines count as lost. `waitedInVain`: it has let that time pass, and read nothing since; it is
    /// not waited for again until it has. None for what no waiting helps against.
    [<CompiledName "Patience">]
    let patience (errno: int) (waitedInVain: bool) : Duration voption =
        if errno = Errno.EAGAIN && not waitedInVain then ValueSome(Duration.OfMilliseconds 250L) else ValueNone

    /// Nothing was lost yet.
    [<CompiledName "None">]
    let none: LogLosses = { Episode = ValueNone }

    /// Lines were lost. True where an episode begins with them, which is to be told.
    [<CompiledName "Lost">]
    let lost (now: Instant) (losses: LogLosses) : struct (LogLosses * bool) =
        struct ({ Episode = ValueSome { LastLoss = now; IsWrittenSince = false } }, losses.Episode.IsNone)

    /// Lines were written, and all of those that were at hand.
    [<CompiledName "Written">]
    let written (losses: LogLosses) : LogLosses =
        { Episode = losses.Episode |> ValueOption.map (fun episode -> { episode with IsWrittenSince = true }) }

    /// How long it is until an episode is over, if nothing more is lost; none without an episode, and none while nothing has been written: it could not be told that it can be.
    [<CompiledName "UntilOver">]
    let untilOver (now: Instant) (losses: LogLosses) : Duration voption =
        match losses.Episode with
        | ValueSome episode when episode.IsWrittenSince ->
            let left = episode.LastLoss + calm - now
            ValueSome(if left.IsNegative then Duration.Zero else left)
        | _ -> ValueNone

    /// A look. True where an episode is over now, which is to be told.
    [<CompiledName "Looked">]
    let looked (now: Instant) (losses: LogLosses) : struct (LogLosses * bool) =
        match untilOver now losses with
        | ValueSome wait when wait.IsZero -> struct (none, true)
        | _ -> struct (losses, false)
