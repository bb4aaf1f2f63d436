module Bitflow.Spec.DescriptorScarcityLaws

open System
open Xunit
open Bitflow.Domain

/// What the orders have made of acceptors, timer and log.
[<NoComparison>]
type private Shell =
    { State: DescriptorScarcity
      Allowance: int
      /// Connections that have closed since it was given.
      Closed: int
      IsPaused: bool
      /// Until the look that is to come.
      LookIn: Duration voption
      /// All looks that came were waited for so long.
      Waited: Duration
      /// All orders but counts, the newest first.
      Orders: ScarcityOrder list }

let private under limit =
    { State = DescriptorScarcity.start limit; Allowance = 0; Closed = 0; IsPaused = false; LookIn = ValueNone; Waited = Duration.Zero; Orders = [] }

let rec private follow count shell (struct (state, orders)) =
    ({ shell with State = state }, orders)
    ||> List.fold (fun shell order ->
        let given = { shell with Orders = order :: shell.Orders }
        match order with
        | ScarcityOrder.Allow connections -> { given with Allowance = connections; Closed = 0 }
        | ScarcityOrder.Count -> follow count shell (DescriptorScarcity.counted count shell.State)
        | ScarcityOrder.Pause -> { given with IsPaused = true }
        | ScarcityOrder.Resume -> { given with IsPaused = false }
        | ScarcityOrder.LookIn wait -> { given with LookIn = ValueSome wait }
        | ScarcityOrder.LogPaused
        | ScarcityOrder.LogResumed -> given)

let private nothing = { Open = 0; Owed = 0; Connections = 0 }

let private happen shell event =
    match event, shell.LookIn with
    | ScarcityEvent.Taken(descriptor, count), _ ->
        let shell = { shell with Allowance = shell.Allowance - 1 }
        if DescriptorScarcity.goesOn descriptor count.Owed shell.Allowance shell.State then shell
        else follow count shell (DescriptorScarcity.taken descriptor count.Owed shell.Allowance shell.Closed shell.State)
    | ScarcityEvent.Closed count, _ when DescriptorScarcity.lasts shell.State ->
        let shell = { shell with Closed = shell.Closed + 1 }
        follow count shell (DescriptorScarcity.closed shell.Closed shell.State)
    | ScarcityEvent.Closed _, _ -> shell
    | ScarcityEvent.RanOut, _ -> follow nothing shell (DescriptorScarcity.ranOut shell.State)
    | ScarcityEvent.Look count, ValueSome wait ->
        follow count { shell with LookIn = ValueNone; Waited = shell.Waited + wait } (DescriptorScarcity.looked count shell.State)
    | ScarcityEvent.Look _, ValueNone -> shell

let private after events shell = List.fold happen shell events
let private played (ScarcityScript(limit, events)) = after events (under limit)

/// The shell after each beginning of a script, the whole of it last.
let private course (ScarcityScript(limit, events)) = List.scan happen (under limit) events

let private count inUse connections = { Open = inUse; Owed = 0; Connections = connections }
let private look inUse = ScarcityEvent.Look(count inUse 1)
let private scarce limit = happen (under limit) ScarcityEvent.RanOut
let private log shell = shell.Orders |> List.filter (fun order -> order = ScarcityOrder.LogPaused || order = ScarcityOrder.LogResumed)
let private lasts shell = List.tryHead (log shell) = Some ScarcityOrder.LogPaused

/// Every number of descriptors in use under a few limits.
let private everyUse = [ for limit in [ 64L; 256L; 1024L ] do for inUse in 0 .. int limit -> limit, inUse ]

[<Fact>]
let ``accepting pauses exactly when fewer than 32 descriptors are left beside the newest`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L ] do for newest in 0 .. int limit - 1 do for owed in [ 0; 5 ] -> limit, newest, owed ], fun (limit, newest, owed) ->
        let free = int limit - (newest + owed + 1)
        let numbered = happen { under limit with Allowance = 2 } (ScarcityEvent.Taken(newest, { nothing with Owed = owed }))
        let counted = happen (under limit) (ScarcityEvent.Taken(3, { nothing with Open = newest; Owed = owed }))
        numbered.IsPaused = (free < 32) && counted.IsPaused = (free < 32))

[<Fact>]
let ``what may be accepted while descriptors are scarce leaves 32 of them, its targets' included`` () =
    Law.HoldsFor(everyUse, fun (limit, inUse) ->
        let allowed = (happen (scarce limit) (look inUse)).Allowance
        allowed >= 0 && (allowed = 0 || int limit - inUse - 2 * allowed >= 32) && (allowed > 0) = (int limit - inUse >= 34))

[<Fact>]
let ``as many may be accepted between two counts as during an episode, where it is none`` () =
    Law.HoldsFor(everyUse, fun (limit, inUse) ->
        let counted = happen (under limit) (ScarcityEvent.Taken(3, count inUse 1))
        counted.IsPaused || counted.Allowance = (happen (scarce limit) (look inUse)).Allowance)

[<Fact>]
let ``where the scarcity is over, something may be accepted, and the next descriptor does not bring it back`` () =
    Law.HoldsFor(everyUse, fun (limit, inUse) ->
        let calm = scarce limit |> after (List.replicate 4 (look inUse))
        lasts calm || (calm.Allowance > 0 && not (lasts (happen calm (ScarcityEvent.Taken(inUse, count inUse 1))))))

[<Fact>]
let ``the scarcity is over once enough descriptors were closed, and four counts in a row have found it so`` () =
    Law.HoldsFor([ 64L; 256L; 1024L; 1_000_000L ], fun limit ->
        let enough, tooFew = int limit - 64, int limit - 63
        let over counts = not (lasts (scarce limit |> after (List.map look counts)))
        over [ enough; enough; enough; enough ]
        && over [ tooFew; enough; enough; enough; enough; enough ]
        && not (over [ enough; enough; enough ])
        && not (over [ enough; enough; enough; tooFew; enough ]))

[<Fact>]
let ``a scarcity ends with the fourth look in a row that found enough, counted from its beginning, and with no other`` () =
    Law.Holds(fun (ScarcityScript(limit, events) as script) ->
        let isEnough (count: DescriptorCount) = limit - int64 count.Open - int64 count.Owed >= 64L
        let steps = List.zip (List.pairwise (course script)) events
        (0, steps)
        ||> List.scan (fun calm ((before, _), event) ->
            match event with
            | ScarcityEvent.Look count when lasts before -> if isEnough count then calm + 1 else 0
            | _ -> if lasts before then calm else 0)
        |> List.tail
        |> List.zip steps
        |> List.forall (fun (((before, behind), _), calm) -> not (lasts before) || lasts behind = (calm < 4)))

[<Fact>]
let ``a scarcity lasts a second at the least, and no longer where every look finds enough`` () =
    Law.HoldsFor([ 64L; 256L; 1024L; 1_000_000L ], fun limit ->
        let before = scarce limit |> after (List.replicate 3 (look 0))
        let behind = happen before (look 0)
        lasts before && not (lasts behind) && behind.Waited = Duration.OfSeconds 1L)

[<Fact>]
let ``a scarcity is looked at again until it is over, and nothing is looked at else`` () =
    Law.Holds(fun script -> course script |> List.forall (fun shell -> shell.LookIn.IsSome = lasts shell))

[<Fact>]
let ``a listener that comes meanwhile is told to pause exactly where the others are`` () =
    Law.Holds(fun script -> course script |> List.forall (fun shell -> DescriptorScarcity.isHeld shell.State = shell.IsPaused))

[<Fact>]
let ``accepting is paused during a scarcity alone`` () =
    Law.Holds(fun script -> course script |> List.forall (fun shell -> lasts shell || not shell.IsPaused))

[<Fact>]
let ``whatever has happened, looks that find enough let accepting go on, and the fourth ends the scarcity`` () =
    Law.Holds(fun (ScarcityScript(limit, _) as script) (connections: byte) ->
        let shell = played script
        let enough = ScarcityEvent.Look(count (int limit - 64) (int connections))
        let looked, over = happen shell enough, shell |> after (List.replicate 4 enough)
        not looked.IsPaused && not (lasts over) && (not (lasts shell) || (looked.Allowance > 0 && over.Allowance > 0)))

[<Fact>]
let ``acceptors are told to pause and to resume by turns, and the log that accepting pauses and that it resumed`` () =
    let byTurns first second orders =
        List.rev orders |> List.filter (fun order -> order = first || order = second) |> List.indexed |> List.forall (fun (i, order) -> order = if i % 2 = 0 then first else second)
    Law.Holds(fun script ->
        let orders = (played script).Orders
        byTurns ScarcityOrder.Pause ScarcityOrder.Resume orders && byTurns ScarcityOrder.LogPaused ScarcityOrder.LogResumed orders)

[<Fact>]
let ``nothing more is accepted from the beginning of a scarcity to its first look`` () =
    Law.Holds(fun script ->
        List.pairwise (course script)
        |> List.forall (fun (before, behind) -> lasts before || not (lasts behind) || (behind.IsPaused && behind.Allowance = 0)))

[<Fact>]
let ``during a scarcity as many are accepted as the last look allowed, whatever the numbers of their descriptors, and then it pauses`` () =
    Law.Holds(fun (ScarcityScript(limit, _) as script) (inUse: byte) (numbers: FsCheck.PositiveInt) ->
        let inUse = int limit - int inUse % 65
        let shell = happen (played script) (look inUse)
        let taken number = ScarcityEvent.Taken((numbers.Get + number) % int limit, count inUse 1)
        let accepted = List.scan happen shell [ for number in 1 .. shell.Allowance -> taken number ]
        not (lasts shell) || ((List.last accepted).IsPaused && accepted |> List.truncate shell.Allowance |> List.forall (fun shell -> not shell.IsPaused)))

[<Fact>]
let ``where no connection is open one is let in, however scarce descriptors are: nobody's end could be waited for`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L ] do for inUse in 0 .. int limit + 1 -> limit, inUse ], fun (limit, inUse) ->
        let allowed connections = (happen (scarce limit) (ScarcityEvent.Look(count inUse connections))).Allowance
        allowed 0 = max 1 (allowed 1))
    Law.Holds(fun (ScarcityScript(limit, _) as script) (inUse: byte) -> not (happen (played script) (ScarcityEvent.Look(count (int limit - int inUse % 64) 0))).IsPaused)

[<Fact>]
let ``where descriptors cannot be counted for want of one none is free, whatever is owed`` () =
    Law.Holds(fun (limit: uint16) (owed: uint16) ->
        let uncounted = ScarcityEvent.Look { Open = Int32.MaxValue; Owed = int owed; Connections = 1 }
        let shell = scarce (int64 limit) |> after (List.replicate 5 uncounted)
        shell.IsPaused && shell.Allowance = 0)

[<Fact>]
let ``a connection that is still to open a descriptor counts as one that has`` () =
    Law.Holds(fun (ScarcityScript(_, events) as script) (descriptor: byte) (left: sbyte) (opened: uint16) (owed: uint16) ->
        let state = (played script).State
        let opened, owed, descriptor, left = int opened, int owed, int descriptor, int left
        let owing, having = { Open = opened; Owed = owed; Connections = events.Length }, { Open = opened + owed; Owed = 0; Connections = events.Length }
        DescriptorScarcity.looked owing state = DescriptorScarcity.looked having state
        && DescriptorScarcity.counted owing state = DescriptorScarcity.counted having state
        && DescriptorScarcity.taken descriptor owed left 0 state = DescriptorScarcity.taken (descriptor + owed) 0 left 0 state)

[<Fact>]
let ``a client who asks for nothing is given no order, though another loop or a look was first`` () =
    Law.Holds(fun script (descriptor: byte) (owed: byte) (left: sbyte) (closed: byte) ->
        let state = (played script).State
        let descriptor, owed, left = int descriptor, int owed, int left
        not (DescriptorScarcity.goesOn descriptor owed left state) || DescriptorScarcity.taken descriptor owed left (int closed) state = struct (state, []))

[<Fact>]
let ``descriptors are counted for a client where nothing is left of what was allowed, unless a scarcity lasts or his own tells of one`` () =
    Law.Holds(fun (ScarcityScript(limit, _) as script) (descriptor: byte) (left: sbyte) ->
        let shell = played script
        let struct (_, orders) = DescriptorScarcity.taken (int descriptor) 0 (int left) 0 shell.State
        List.contains ScarcityOrder.Count orders = (left <= 0y && not (lasts shell) && int64 descriptor < limit - 32L))

[<Fact>]
let ``a look that comes once a scarcity is over changes nothing`` () =
    Law.Holds(fun script (opened: byte) (connections: byte) ->
        let shell = played script
        lasts shell || DescriptorScarcity.looked (count (int opened) (int connections)) shell.State = struct (shell.State, []))

[<Fact>]
let ``a count during a scarcity lets in as many as a look would, and brings its end no nearer`` () =
    Law.Holds(fun (ScarcityScript(limit, _) as script) (inUse: byte) (connections: byte) ->
        let shell, count = played script, count (int limit - int inUse) (int connections)
        let counted, looked = follow count shell (DescriptorScarcity.counted count shell.State), happen shell (ScarcityEvent.Look count)
        let enough = look (int limit - 64)
        let looksUntilOver shell = Seq.initInfinite (fun looks -> shell |> after (List.replicate looks enough)) |> Seq.findIndex (lasts >> not)
        not (lasts shell)
        || ((counted.Allowance, counted.IsPaused) = (looked.Allowance, looked.IsPaused) && counted.LookIn = shell.LookIn && looksUntilOver counted = looksUntilOver shell))

[<Fact>]
let ``while accepting is paused a sixty-fourth of the limit that has closed lets in whom there is room for, without waiting for a look`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L; 20_000L ] do for free in [ 31; 33; 34; 63; 64; 100 ] -> limit, free ], fun (limit, free) ->
        let closes = List.replicate ((int limit + 63) / 64) (ScarcityEvent.Closed(count (int limit - free) 1))
        let before, behind = scarce limit |> after closes.Tail, scarce limit |> after closes
        before.IsPaused && behind.IsPaused = (free < 34) && behind.Allowance = max 0 ((free - 32) / 2))

[<Fact>]
let ``where as many have closed by the time that the allowance is used up, what there is room for follows it without a pause`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L ] do for free in [ 31; 40; 100 ] do for fewer in [ 0; 1 ] -> limit, free, fewer ], fun (limit, free, fewer) ->
        let allowed = happen (scarce limit) (look (int limit - 64))
        let closes = List.replicate (int limit / 64 - fewer) (ScarcityEvent.Closed(count 0 1))
        let used = { after closes allowed with Allowance = 1 }
        let behind = happen used (ScarcityEvent.Taken(3, count (int limit - free) 1))
        behind.IsPaused = (fewer = 1 || free < 34) && (behind.IsPaused || behind.Allowance = (free - 32) / 2))

[<Fact>]
let ``descriptors that are plentiful are not counted for a connection that closes`` () =
    Law.Holds(fun script (closed: int) ->
        let shell = played script
        lasts shell || DescriptorScarcity.closed closed shell.State = struct (shell.State, []))

[<Fact>]
let ``an order of a scarcity is carried out by the guard's member of its name, and by no other`` () =
    let carriedOut order =
        let orders = ResizeArray()
        ScarcityOrder.carryOut
            { new IDescriptorGuard with
                member _.Allow connections = orders.Add(ScarcityOrder.Allow connections)
                member _.Count() = orders.Add ScarcityOrder.Count
                member _.Pause() = orders.Add ScarcityOrder.Pause
                member _.Resume() = orders.Add ScarcityOrder.Resume
                member _.LookIn wait = orders.Add(ScarcityOrder.LookIn wait)
                member _.LogPaused() = orders.Add ScarcityOrder.LogPaused
                member _.LogResumed() = orders.Add ScarcityOrder.LogResumed }
            order
        List.ofSeq orders
    Law.Holds(fun (order: ScarcityOrder) -> carriedOut order = [ order ])
