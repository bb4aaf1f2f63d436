namespace Bitflow.Domain

/// What becomes of one more occurrence of something that repeats.
[<RequireQualifiedAccess; Struct>]
type RepeatVerdict =
    /// It is let through, and this many before it were suppressed since the last one let through.
    | Pass of suppressedBefore: int64
    | Suppress

/// What is remembered of one key: when it was let through (newest first, never more than the limit), and how often
/// it was suppressed since.
type RepeatHistory =
    private
        { Passed: Instant list
          Suppressed: int64 }

/// "The same thing at most so often in so long", as a state that the caller keeps. The window slides: in *no*
/// span of its length does more than the limit pass, where counting by whole seconds would let twice as many through.
type RepeatLimit<'key when 'key: comparison> =
    private
        { Most: int
          Window: Duration
          MaxKeys: int
          Histories: Map<'key, RepeatHistory>
          /// Suppressed because there was no room for another key.
          Crowded: int64 }

/// What was suppressed and has not been reported by a later occurrence that passed.
type RepeatSummary<'key> =
    { Suppressed: ('key * int64) list
      /// Suppressed under keys that there was no room to remember.
      Crowded: int64 }

[<RequireQualifiedAccess>]
module RepeatLimit =
    /// Nothing seen yet. At most `maxKeys` keys are remembered: a failure whose text never repeats must not fill memory.
    [<CompiledName("Create")>]
    let create (most: int) (window: Duration) (maxKeys: int) : RepeatLimit<'key> =
        { Most = max 1 most
          Window = window
          MaxKeys = max 1 maxKeys
          Histories = Map.empty
          Crowded = 0L }

    /// Whether nothing is remembered.
    [<CompiledName("IsEmpty")>]
    let isEmpty (limit: RepeatLimit<'key>) = limit.Histories.IsEmpty && limit.Crowded = 0L

    let private recent limit (now: Instant) history = history.Passed |> List.filter (fun at -> at + limit.Window > now)

    /// Whether a key has had all that the limit allows it now: one more would be suppressed. Counts nothing.
    [<CompiledName("IsSpent")>]
    let isSpent (now: Instant) (key: 'key) (limit: RepeatLimit<'key>) =
        match Map.tryFind key limit.Histories with
        | Some history -> (recent limit now history).Length >= limit.Most
        | None -> false

    /// Forgets the keys that have been quiet for a whole window, and says what of them is still unreported.
    [<CompiledName("Sweep")>]
    let sweep (now: Instant) (limit: RepeatLimit<'key>) : RepeatSummary<'key> * RepeatLimit<'key> =
        let quiet, live = limit.Histories |> Map.partition (fun _ history -> List.isEmpty (recent limit now history))
        { Suppressed = [ for entry in quiet do if entry.Value.Suppressed > 0L then entry.Key, entry.Value.Suppressed ]
          Crowded = limit.Crowded },
        { limit with Histories = live; Crowded = 0L }

    /// One more occurrence. With every place taken by a key that was not swept, a new key is suppressed: a flood of
    /// different failures is a flood.
    [<CompiledName("Next")>]
    let next (now: Instant) (key: 'key) (limit: RepeatLimit<'key>) : RepeatVerdict * RepeatLimit<'key> =
        match Map.tryFind key limit.Histories with
        | Some history ->
            let passed = recent limit now history
            if passed.Length < limit.Most then
                let suppressed = history.Suppressed
                let history = { Passed = now :: passed; Suppressed = 0L }
                RepeatVerdict.Pass suppressed, { limit with Histories = Map.add key history limit.Histories }
            else
                let history = { Passed = passed; Suppressed = history.Suppressed + 1L }
                RepeatVerdict.Suppress, { limit with Histories = Map.add key history limit.Histories }
        | None when limit.Histories.Count >= limit.MaxKeys -> RepeatVerdict.Suppress, { limit with Crowded = limit.Crowded + 1L }
        | None ->
            RepeatVerdict.Pass 0L, { limit with Histories = Map.add key { Passed = [ now ]; Suppressed = 0L } limit.Histories }
