namespace Bitflow.Domain

open System.Collections.Generic
open System.Net

/// What is known of where a listener is bound, from how its address is written: what a name resolves to is known only when it is bound.
[<RequireQualifiedAccess>]
type private Mark =
    /// There is something at the port.
    | Port of port: int
    /// Of that family, for certain.
    | Family of port: int * family: TcpFamily
    /// One host: a literal, or a name that is held to the family.
    | Host of port: int * family: TcpFamily * host: string
    /// A name, whichever family it is held to, and one that is held to none.
    | Name of port: int * name: string
    | FreeName of port: int * name: string
    /// Every address of the family, and of both.
    | EveryOf of port: int * family: TcpFamily
    | Every of port: int

/// Addresses that are listened on: which of them are one socket, and which cannot be listened on side by side.
[<RequireQualifiedAccess>]
module ListenerAddress =
    /// One form for all the ways to write a socket: `tcp4:127.0.0.1:80` is `127.0.0.1:80`, and `0.0.0.0:80` is `tcp4::80`.
    let internal canonical (address: Address) =
        match address with
        | Address.Tcp(_, Host.Literal literal, port) ->
            let literal = IpAddress.canonical literal
            if literal.Equals IPAddress.Any then Address.Tcp(TcpFamily.V4, Host.Any, port)
            elif literal.Equals IPAddress.IPv6Any then Address.Tcp(TcpFamily.V6, Host.Any, port)
            else Address.Tcp(TcpFamily.Either, Host.Literal literal, port)
        | Address.Tcp(family, Host.Name name, port) -> Address.Tcp(family, Host.Name(name.ToLowerInvariant()), port)
        | address -> address

    /// Whether both are one and the same socket, however each is written.
    let isSame (a: Address) (b: Address) = canonical a = canonical b

    let private ofLiteral port (literal: IPAddress) =
        let family = if IpAddress.isV4 literal then TcpFamily.V4 else TcpFamily.V6
        family, Mark.Host(port, family, string literal)

    /// `localhost` is this machine's own address of either family (RFC 6761, section 6.3), and that of IPv4 where it is held to none.
    let private loopback family name =
        match family with
        | _ when name <> "localhost" && name <> "localhost." -> None
        | TcpFamily.V6 -> Some IPAddress.IPv6Loopback
        | _ -> Some IPAddress.Loopback

    /// What one address is, and what it cannot be listened on beside. Nothing of port 0, which is another one each time, and of what is no TCP.
    let private marks (address: Address) : struct (Mark list * Mark list) =
        match canonical address with
        | Address.Tcp(_, _, 0) -> [], []
        | Address.Tcp(TcpFamily.Either, Host.Any, port) ->
            let ofBoth kind = [ kind (port, TcpFamily.V4); kind (port, TcpFamily.V6) ]
            [ Mark.Port port; Mark.Every port ] @ ofBoth Mark.Family @ ofBoth Mark.EveryOf, [ Mark.Port port ]
        | Address.Tcp(family, Host.Any, port) ->
            [ Mark.Port port; Mark.Family(port, family); Mark.EveryOf(port, family) ], [ Mark.Every port; Mark.Family(port, family) ]
        | Address.Tcp(_, Host.Literal literal, port) ->
            let family, host = ofLiteral port literal
            [ Mark.Port port; Mark.Family(port, family); host ], [ Mark.Every port; Mark.EveryOf(port, family); host ]
        | Address.Tcp(family, Host.Name name, port) ->
            let itself, others =
                if family = TcpFamily.Either then
                    [ Mark.FreeName(port, name) ], [ Mark.Name(port, name) ]
                else
                    let host = Mark.Host(port, family, name)
                    [ Mark.Family(port, family); host ], [ Mark.EveryOf(port, family); Mark.FreeName(port, name); host ]
            let known, knownOthers =
                match loopback family name with
                | None -> [], []
                | Some literal ->
                    let family, host = ofLiteral port literal
                    [ Mark.Family(port, family); host ], [ Mark.EveryOf(port, family); host ]
            [ Mark.Port port; Mark.Name(port, name) ] @ itself @ known, [ Mark.Every port ] @ others @ knownOthers
        | _ -> [], []

    /// Whether only one of the two can be listened on, as far as that is certain from how they are written.
    [<CompiledName "Overlap">]
    let overlap (a: Address) (b: Address) =
        match a, b with
        | Address.Tcp _, Address.Tcp _ ->
            let struct (is, _), struct (_, besideNone) = marks a, marks b
            besideNone |> List.exists (fun mark -> List.contains mark is)
        | _ -> a = b

    /// Those of the held addresses with which another overlaps, in their order. What is found out about them once does for all others.
    let overlapping (held: ('Key * Address) list) : Address -> 'Key list =
        let byMark = Dictionary<Mark, ResizeArray<int>>()
        let byAddress = Dictionary<Address, ResizeArray<int>>()
        let note (places: Dictionary<'a, ResizeArray<int>>) key place =
            match places.TryGetValue key with
            | true, known -> known.Add place
            | _ -> places[key] <- ResizeArray [ place ]
        let keys = held |> List.map fst |> Array.ofList
        held |> List.iteri (fun place (_, address) ->
            match address with
            | Address.Tcp _ ->
                let struct (_, besideNone) = marks address
                for mark in besideNone do note byMark mark place
            | _ -> note byAddress address place)
        let found (places: Dictionary<'a, ResizeArray<int>>) key =
            match places.TryGetValue key with
            | true, known -> List.ofSeq known
            | _ -> []
        fun address ->
            match address with
            | Address.Tcp _ ->
                let struct (is, _) = marks address
                is |> List.collect (found byMark) |> List.distinct |> List.sort |> List.map (fun place -> keys[place])
            | _ -> found byAddress address |> List.map (fun place -> keys[place])

    /// Of each that overlaps with an earlier one of TCP: it, and the first of those. Their order is kept; the time it takes grows with their number alone.
    let overlaps (listeners: ('Key * Address) list) : (('Key * Address) * ('Key * Address)) list =
        let step (firsts: Map<Mark, 'Key * Address * int>, place) (key, address) =
            let struct (is, besideNone) = marks address
            let met = besideNone |> List.choose (fun mark -> Map.tryFind mark firsts)
            let add firsts mark = if Map.containsKey mark firsts then firsts else Map.add mark (key, address, place) firsts
            let found =
                match met with
                | [] -> None
                | met ->
                    let otherKey, other, _ = met |> List.minBy (fun (_, _, place) -> place)
                    Some((key, address), (otherKey, other))
            found, (List.fold add firsts is, place + 1)
        listeners |> List.mapFold step (Map.empty, 0) |> fst |> List.choose id
