namespace Bitflow.Domain

open System.Collections.Generic

/// One thing that a reload does, in words.
type ReloadLine =
    { Text: string
      /// It says that something stays as it is.
      IsKept: bool
      /// Carrying the plan out is not the end of it: the log says so in a warning.
      IsWarning: bool }

/// What a reload does: what `bitflow diff` prints, and what the log says.
[<RequireQualifiedAccess>]
module ReloadReport =
    let private step (text: string) = { Text = text; IsKept = false; IsWarning = false }

    let private kept (text: string) = { step text with IsKept = true }

    let private warning (text: string) = { step text with IsWarning = true }

    let private proxyLine (step: ProxyStep) =
        match step.Fate with
        | ProxyFate.Kept -> $"proxy {step.Name}: kept, nothing changed"
        | ProxyFate.Started -> $"proxy {step.Name}: started"
        | ProxyFate.Stopped -> $"proxy {step.Name}: stopped; its open connections go on until they end"
        | ProxyFate.Replaced differences ->
            let what = String.concat ", " differences
            $"proxy {step.Name}: replaced ({what}); open connections keep the old settings, new ones get the new"

    /// Past sockets that close too late for an address.
    let private wayAround (closing: SocketStep list) (address: Address) =
        let inherited, own = closing |> List.partition _.Address.IsInherited
        [ for step in inherited do
              if step.Address = address then
                  $"{step.Owner} listens there, and an inherited socket changes hands only with a restart"
              else
                  $"{step.Owner} listens there with {step.Address}, which is inherited; go on writing {step.Address}, or restart without it"
          if not own.IsEmpty then
              let holders = own |> List.map (fun step -> $"{step.Owner} listens on {step.Address}") |> String.concat ", and "
              let all = if own.Length > 1 then "them" else "it"
              $"{holders} until the new sockets are open; free {all} with one reload and bring {address} with the next, or restart" ]
        |> String.concat "; and "

    /// Why an address cannot be listened on where a socket of Bitflow itself is in its way, and what to do.
    /// `holder` is the address by which that socket was asked for.
    [<CompiledName "Obstacle">]
    let obstacle (plan: ReloadPlan) (address: Address) (holder: Address) : string =
        let isHolder (step: SocketStep) = ListenerAddress.isSame step.Address holder
        let closing, others = plan.Sockets |> List.partition (fun step -> step.Fate = HeldFate.Closed)
        if List.exists isHolder closing then
            // What a name resolves to is known by now: the holder need not be one that was known to be in the way.
            wayAround (closing |> List.filter (fun step -> isHolder step || ListenerAddress.overlap step.Address address)) address
        else
            match List.tryFind isHolder others with
            | Some staying -> $"{staying.Owner} listens there with {staying.Address}, and is to go on; one of the two needs another address or port"
            | None -> $"it is listened on as {holder}; restart"

    let private socketLine (inTheWay: Address -> SocketStep list) (step: SocketStep) =
        let owner = match step.Owner with SocketOwner.Proxy name -> name | SocketOwner.Admin -> string step.Owner
        match step.Fate with
        | HeldFate.Opened ->
            match inTheWay step.Address with
            | [] -> $"listening socket {step.Address}: opened, for {owner}"
            | closing -> $"listening socket {step.Address}: cannot be opened, for {owner}, by this reload: {wayAround closing step.Address}"
        | HeldFate.Kept -> $"listening socket {step.Address}: kept open, for {owner}"
        | HeldFate.Closed when step.Address.IsInherited ->
            $"listening socket {step.Address}: closed; it was inherited, and only a restart can bring it back: where its service manager still holds it, clients connect and wait in vain"
        | HeldFate.Closed when step.Owner = SocketOwner.Admin -> $"listening socket {step.Address}: closed; the admin server had it"
        | HeldFate.Closed -> $"listening socket {step.Address}: closed; connections accepted through it go on until they end"

    let private logLine (step: LogStep) =
        match step.Fate with
        | HeldFate.Kept -> $"connection log {step.Path}: kept open"
        | HeldFate.Opened -> $"connection log {step.Path}: opened"
        | HeldFate.Closed -> $"connection log {step.Path}: closed once the last connection that began with it has ended"

    /// The plan in words, a line a step.
    [<CompiledName "Describe">]
    let describe (plan: ReloadPlan) : IReadOnlyList<ReloadLine> =
        [| for proxy in plan.Proxies do
               proxyLine proxy |> if proxy.Fate = ProxyFate.Kept then kept else step
           let inTheWay = plan.InTheWay
           for socket in plan.Sockets do
               let isLost = socket.Fate = HeldFate.Closed && socket.Address.IsInherited
               socketLine inTheWay socket |> if isLost then warning elif socket.Fate = HeldFate.Kept then kept else step
           for log in plan.Logs do
               logLine log |> if log.Fate = HeldFate.Kept then kept else step
           let fails = plan.IsObstructed
           for key in plan.Application do
               step (if fails then $"application.{key}: changed" else $"application.{key}: changed, in force at once")
           if plan.EngineNeedsRestart then
               warning "application.engine: changed, in force only after a restart"
           if fails then
               step "as it stands this reload fails, and everything stays as it is"
           if plan.ChangesNothing then
               step "nothing changes" |]
        :> IReadOnlyList<ReloadLine>

    let private fateOfHeld (fate: HeldFate) =
        match fate with
        | HeldFate.Kept -> "kept"
        | HeldFate.Opened -> "opened"
        | HeldFate.Closed -> "closed"

    let private ofProxy (step: ProxyStep) =
        let fate, changed =
            match step.Fate with
            | ProxyFate.Kept -> "kept", []
            | ProxyFate.Started -> "started", []
            | ProxyFate.Stopped -> "stopped", []
            | ProxyFate.Replaced differences -> "replaced", differences
        Json.Object [ "name", Json.Text step.Name; "fate", Json.Text fate; "changed", Json.Array(changed |> List.map Json.Text) ]

    let private ofSocket (inTheWay: Address -> SocketStep list) (step: SocketStep) =
        let blocking = if step.Fate = HeldFate.Opened then inTheWay step.Address else []
        Json.Object [
            "address", Json.Text(string step.Address)
            // The admin server's is no proxy's.
            "proxy", (match step.Owner with SocketOwner.Proxy name -> Json.Text name | SocketOwner.Admin -> Json.Null)
            "fate", Json.Text(fateOfHeld step.Fate)
            "blocked_by", Json.Array(blocking |> List.map (fun other -> Json.Text(string other.Address)))
        ]

    /// The plan for programs. `errors`: why the new file would not be taken on, a line each.
    [<CompiledName "ToJson">]
    let json (plan: ReloadPlan) (errors: IReadOnlyList<string>) : string =
        let inTheWay = plan.InTheWay
        Json.Object [
            "fails", Json.Boolean(plan.IsObstructed || errors.Count > 0)
            "errors", Json.Array [ for line in errors -> Json.Text line ]
            "changes_nothing", Json.Boolean plan.ChangesNothing
            "needs_restart", Json.Boolean plan.EngineNeedsRestart
            "proxies", Json.Array(plan.Proxies |> List.map ofProxy)
            "listening_sockets", Json.Array(plan.Sockets |> List.map (ofSocket inTheWay))
            "connection_logs", Json.Array [ for log in plan.Logs -> Json.Object [ "path", Json.Text log.Path; "fate", Json.Text(fateOfHeld log.Fate) ] ]
            "application", Json.Array [ for key in plan.Application -> Json.Text key ]
        ]
        |> Json.format

    /// What the log says of a plan that was carried out: what changes, a line a step, and in one how much stays as it is.
    [<CompiledName "Logged">]
    let logged (plan: ReloadPlan) : IReadOnlyList<ReloadLine> =
        let count (n: int) (one: string) (several: string) = if n = 0 then [] elif n = 1 then [ $"1 {one}" ] else [ $"{n} {several}" ]
        let staying =
            count (plan.Proxies |> List.filter (fun proxy -> proxy.Fate = ProxyFate.Kept) |> List.length) "proxy" "proxies"
            @ count (plan.Sockets |> List.filter (fun socket -> socket.Fate = HeldFate.Kept) |> List.length) "listening socket" "listening sockets"
            @ count (plan.Logs |> List.filter (fun log -> log.Fate = HeldFate.Kept) |> List.length) "connection log" "connection logs"
        [| if not staying.IsEmpty then step ("kept as they are: " + String.concat ", " staying)
           yield! describe plan |> Seq.filter (fun line -> not line.IsKept) |]
        :> IReadOnlyList<ReloadLine>
