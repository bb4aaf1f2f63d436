namespace Bitflow.Domain

/// Which targets to try, and in which order: a pure function of the policy, the number of targets, the policy's own
/// state (a ticket, one further for each connection that asks) and what is known of the client (its server name).
[<RequireQualifiedAccess>]
module Balancer =
    /// The targets by index, the first to try first; empty where none may serve this client.
    let order (policy: Policy) (targets: NameTable) (count: int) (ticket: int64) (serverName: ServerName voption) : int[] =
        match policy with
        | _ when count <= 0 -> [||]
        | Policy.None -> [| 0 |]
        | Policy.Failover -> Array.init count id
        | Policy.RoundRobin ->
            // As unsigned: the ticket may wrap after 2^63 connections, and must not go backwards or below zero then.
            let start = int (uint64 ticket % uint64 count)
            Array.init count (fun i -> (start + i) % count)
        | Policy.Sni ->
            match targets.BestMatch serverName with
            | ValueSome index -> [| index |]
            | ValueNone -> [||]

    /// Whether any target may serve a client of that server name.
    let mayServe (policy: Policy) (targets: NameTable) (serverName: ServerName voption) : bool =
        policy <> Policy.Sni || (targets.BestMatch serverName).IsSome

    /// Whether the policy needs a ticket.
    let needsTicket policy = policy = Policy.RoundRobin

    /// The targets that the policy can choose for some client. The rest of a list is there for nothing.
    let reachable (policy: Policy) (names: string list) : int list =
        match policy with
        | Policy.None -> [ 0 ]
        | Policy.Failover
        | Policy.RoundRobin -> [ 0 .. names.Length - 1 ]
        | Policy.Sni -> NameTable.Matched names
