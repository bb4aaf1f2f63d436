namespace Bitflow.Domain

/// What a count of the process's descriptors found.
[<Struct; NoComparison>]
type DescriptorCount =
    { /// Those that are open; Int32.MaxValue where not even that can be counted, for want of one.
      Open: int
      /// Those that are about to be opened: by connections that were accepted, for their targets, and by a reload.
      Owed: int
      /// Connections that are open.
      Connections: int }

/// What the shell is to do now.
[<RequireQualifiedAccess; NoComparison>]
type ScarcityOrder =
    /// So many connections may be accepted from now on.
    | Allow of connections: int
    /// Count, and say what was found (`DescriptorScarcity.counted`).
    | Count
    /// Pause every acceptor.
    | Pause
    /// Resume every acceptor.
    | Resume
    /// Count after so long, and say what was found (`DescriptorScarcity.looked`).
    | LookIn of wait: Duration
    /// Tell the log that accepting pauses.
    | LogPaused
    /// Tell the log that accepting resumed.
    | LogResumed

/// What a shell has for each order. An order more is a member more: no shell is built without it.
type IDescriptorGuard =
    abstract Allow: connections: int -> unit
    abstract Count: unit -> unit
    abstract Pause: unit -> unit
    abstract Resume: unit -> unit
    abstract LookIn: wait: Duration -> unit
    abstract LogPaused: unit -> unit
    abstract LogResumed: unit -> unit

[<RequireQualifiedAccess>]
module ScarcityOrder =
    [<CompiledName "CarryOut">]
    let carryOut (guard: IDescriptorGuard) (order: ScarcityOrder) : unit =
        match order with
        | ScarcityOrder.Allow connections -> guard.Allow connections
        | ScarcityOrder.Count -> guard.Count()
        | ScarcityOrder.Pause -> guard.Pause()
        | ScarcityOrder.Resume -> guard.Resume()
        | ScarcityOrder.LookIn wait -> guard.LookIn wait
        | ScarcityOrder.LogPaused -> guard.LogPaused()
        | ScarcityOrder.LogResumed -> guard.LogResumed()

/// Since too few descriptors were free.
[<Struct; NoComparison>]
type ScarcityEpisode =
    private
        { /// Whether accepting is paused, until a look finds room for some.
          IsHeld: bool
          /// How many looks in a row found enough free.
          Calm: int }

/// Whether accepting goes on, pauses or resumes as descriptors (RLIMIT_NOFILE) become scarce and free again, as a state that the caller keeps.
[<NoComparison>]
type DescriptorScarcity =
    private
        { Limit: int64
          Episode: ScarcityEpisode voption }

/// Accepting pauses before dials and logs run into EMFILE. Counting costs too much to be done for each connection: it is done when what was allowed has been
/// given away, and during an episode by looks, which end it, and when enough connections have closed meanwhile. Every transition is total, and gives the next state and the orders to carry out in their order.
[<RequireQualifiedAccess>]
module DescriptorScarcity =
    let private lookInterval = Duration.OfMilliseconds 250L

    /// So many looks in a row that find enough end an episode, which thus lasts a second at the least: a backlog that empties takes what became free within one or two.
    let private calmLooks = 4

    let private reserved = int64 DescriptorBudget.reservedDescriptors

    let private inUse (count: DescriptorCount) = int64 count.Open + int64 count.Owed

    let private isScarce (scarcity: DescriptorScarcity) (inUse: int64) = inUse >= scarcity.Limit - reserved

    /// More than an episode begins with, so that episodes do not alternate with every connection.
    let private isAmple (scarcity: DescriptorScarcity) (inUse: int64) = scarcity.Limit - inUse >= 2L * reserved

    /// How many connections may be accepted until descriptors are counted again: each will want two. Where no connection is open there is nobody whose end could be waited for:
    /// then it is one, for which there may be enough.
    let private allowance (scarcity: DescriptorScarcity) (count: DescriptorCount) : int =
        let free = scarcity.Limit - inUse count - reserved
        let most = if free <= 0L then 0 else int (min (free / DescriptorBudget.descriptorsPerConnection) (int64 System.Int32.MaxValue))
        if count.Connections <= 0 then max 1 most else most

    /// What a count costs hangs on how many descriptors there are (proc(5), before Linux 6.2): where it is done for every sixty-fourth of them that a connection
    /// has closed, it costs a connection the same under any limit.
    let private isWorthCounting (scarcity: DescriptorScarcity) (closed: int) = 64L * int64 closed >= scarcity.Limit

    let private unchanged (scarcity: DescriptorScarcity) : struct (DescriptorScarcity * ScarcityOrder list) = struct (scarcity, [])

    /// Nothing is accepted until a look knows how many are free.
    let private begun (scarcity: DescriptorScarcity) : struct (DescriptorScarcity * ScarcityOrder list) =
        struct ({ scarcity with Episode = ValueSome { IsHeld = true; Calm = 0 } },
                [ ScarcityOrder.Allow 0; ScarcityOrder.Pause; ScarcityOrder.LookIn lookInterval; ScarcityOrder.LogPaused ])

    /// Under a limit on descriptors, with no episode and nothing counted yet: none may be accepted without a count.
    [<CompiledName "Start">]
    let start (descriptorLimit: int64) : DescriptorScarcity = { Limit = descriptorLimit; Episode = ValueNone }

    /// Whether descriptors are scarce. Then connections that close are counted from one allowance to the next (`closed`).
    [<CompiledName "Lasts">]
    let lasts (scarcity: DescriptorScarcity) : bool = scarcity.Episode.IsSome

    /// Whether accepting is paused.
    [<CompiledName "IsHeld">]
    let isHeld (scarcity: DescriptorScarcity) : bool =
        match scarcity.Episode with
        | ValueSome episode -> episode.IsHeld
        | ValueNone -> false

    /// The kernel hands out the lowest free number, so that a number says at least how many are in use, whoever opened them: all of them only where there
    /// are no gaps, which a count must be asked about.
    let private isTooHigh (scarcity: DescriptorScarcity) (descriptor: int) (owed: int) = isScarce scarcity (int64 descriptor + int64 owed)

    /// Whether a client that was taken, who has a descriptor of that number, asks for nothing, with so many owed (his own among them), and so many that may still
    /// be accepted behind him. Asked of every client: two comparisons.
    [<CompiledName "GoesOn">]
    let goesOn (descriptor: int) (owed: int) (left: int) (scarcity: DescriptorScarcity) : bool =
        left > 0 && (scarcity.Episode.IsSome || not (isTooHigh scarcity descriptor owed))

    /// A client was taken, with the same arguments, and so many connections that have closed since the allowance.
    [<CompiledName "Taken">]
    let taken (descriptor: int) (owed: int) (left: int) (closed: int) (scarcity: DescriptorScarcity) : struct (DescriptorScarcity * ScarcityOrder list) =
        match scarcity.Episode with
        | _ when goesOn descriptor owed left scarcity -> unchanged scarcity
        | ValueSome episode when episode.IsHeld -> unchanged scarcity
        | ValueSome _ when isWorthCounting scarcity closed -> struct (scarcity, [ ScarcityOrder.Count ])
        | ValueSome episode -> struct ({ scarcity with Episode = ValueSome { episode with IsHeld = true } }, [ ScarcityOrder.Pause ])
        | ValueNone when isTooHigh scarcity descriptor owed -> begun scarcity
        | ValueNone -> struct (scarcity, [ ScarcityOrder.Count ])

    /// Whether a connection that has closed, the last of so many since the allowance, asks for a count: behind a crowd that comes and goes at once a client
    /// would otherwise wait for look after look.
    [<CompiledName "AsksAgain">]
    let asksAgain (closed: int) (scarcity: DescriptorScarcity) : bool = isHeld scarcity && isWorthCounting scarcity closed

    /// A connection has closed, with the same arguments.
    [<CompiledName "Closed">]
    let closed (closed: int) (scarcity: DescriptorScarcity) : struct (DescriptorScarcity * ScarcityOrder list) =
        struct (scarcity, (if asksAgain closed scarcity then [ ScarcityOrder.Count ] else []))

    /// What is allowed during an episode from now on, and what that means for acceptors.
    let private allowing (allowed: int) (wasHeld: bool) : ScarcityOrder list =
        [ ScarcityOrder.Allow allowed
          if allowed = 0 && not wasHeld then ScarcityOrder.Pause
          if wasHeld && allowed > 0 then ScarcityOrder.Resume ]

    /// What a count found.
    [<CompiledName "Counted">]
    let counted (count: DescriptorCount) (scarcity: DescriptorScarcity) : struct (DescriptorScarcity * ScarcityOrder list) =
        match scarcity.Episode with
        | ValueSome episode ->
            let allowed = allowance scarcity count
            struct ({ scarcity with Episode = ValueSome { episode with IsHeld = (allowed = 0) } }, allowing allowed episode.IsHeld)
        | ValueNone when isScarce scarcity (inUse count) -> begun scarcity
        | ValueNone -> struct (scarcity, [ ScarcityOrder.Allow(allowance scarcity count) ])

    /// Accepting failed for want of a descriptor (EMFILE, accept(2)).
    [<CompiledName "RanOut">]
    let ranOut (scarcity: DescriptorScarcity) : struct (DescriptorScarcity * ScarcityOrder list) =
        if scarcity.Episode.IsSome then unchanged scarcity else begun scarcity

    /// A look during an episode.
    [<CompiledName "Looked">]
    let looked (count: DescriptorCount) (scarcity: DescriptorScarcity) : struct (DescriptorScarcity * ScarcityOrder list) =
        match scarcity.Episode with
        | ValueNone -> unchanged scarcity
        | ValueSome episode ->
            let allowed = allowance scarcity count
            let calm = if isAmple scarcity (inUse count) then episode.Calm + 1 else 0
            let isOver = calm >= calmLooks
            struct ({ scarcity with Episode = if isOver then ValueNone else ValueSome { IsHeld = (allowed = 0); Calm = calm } },
                    [ if not isOver then ScarcityOrder.LookIn lookInterval
                      yield! allowing allowed episode.IsHeld
                      if isOver then ScarcityOrder.LogResumed ])
