namespace Bitflow.Domain

open System
open System.Net
open System.Net.Sockets

/// A set of addresses with a common prefix, in canonical form. IPv4-mapped networks of /96 and longer are IPv4.
[<NoComparison>]
type IpNetwork =
    private
        { Network: IPAddress
          Length: int }

    /// The first address of the network: host bits are zero.
    member this.Prefix = this.Network
    /// 0 to 32 for IPv4, 0 to 128 for IPv6.
    member this.PrefixLength = this.Length
    override this.ToString() = $"{this.Network}/{this.Length}"

[<RequireQualifiedAccess>]
type IpNetworkError =
    | NotAnAddress of text: string
    | PrefixLengthNotANumber of text: string
    | PrefixLengthTooLong of length: string * most: int

/// From one address to another, both included, as bytes in network order.
[<NoEquality; NoComparison>]
type internal AddressRange =
    { First: byte[]
      Last: byte[] }

    static member Compare(a: byte[], b: byte[]) = ReadOnlySpan<byte>(a).SequenceCompareTo(ReadOnlySpan<byte> b)

[<RequireQualifiedAccess>]
module IpNetwork =
    /// The bits of one byte of an address, counted from 0, that belong to a prefix.
    let private mask (length: int) (position: int) =
        match length - 8 * position with
        | bits when bits >= 8 -> 0xFFuy
        | bits when bits <= 0 -> 0uy
        | bits -> ~~~(0xFFuy >>> bits)

    /// The network of an address and a prefix length, and whether bits of the host part were set (and dropped).
    let create (address: IPAddress) (length: int) : struct (IpNetwork * bool) =
        let mapped = address.AddressFamily = AddressFamily.InterNetworkV6 && address.IsIPv4MappedToIPv6 && length >= 96
        let length = if mapped then length - 96 else length
        let address = if mapped then address.MapToIPv4() else IPAddress(address.GetAddressBytes())
        let length = max 0 (min (IpAddress.bits address) length)
        let network = IPAddress(address.GetAddressBytes() |> Array.mapi (fun i b -> b &&& mask length i))
        struct ({ Network = network; Length = length }, not (network.Equals address))

    /// `10.0.0.0/8`, `2001:db8::/32`, or a single address. The flag says that host bits were set.
    let tryParse (text: string) : Result<struct (IpNetwork * bool), IpNetworkError> =
        let text = if isNull text then "" else text
        let slash = text.IndexOf '/'
        let host = if slash < 0 then text else text.Substring(0, slash)
        match IpAddress.tryParse host with
        | ValueNone -> Error(IpNetworkError.NotAnAddress host)
        | ValueSome address ->
            let bits = IpAddress.bits address
            if slash < 0 then
                Ok(create address bits)
            else
                let suffix = text.Substring(slash + 1)
                if suffix = "" || not (String.forall Char.IsAsciiDigit suffix) || (suffix.Length > 1 && suffix[0] = '0') then
                    Error(IpNetworkError.PrefixLengthNotANumber suffix)
                elif suffix.Length > 3 || int suffix > bits then
                    Error(IpNetworkError.PrefixLengthTooLong(suffix, bits))
                else
                    Ok(create address (int suffix))

    let contains (network: IpNetwork) (address: IPAddress) =
        let address = IpAddress.canonical address
        address.AddressFamily = network.Network.AddressFamily
        && (let bytes, prefix = address.GetAddressBytes(), network.Network.GetAddressBytes()
            let mutable i = 0
            while i < bytes.Length && bytes[i] &&& mask network.Length i = prefix[i] do
                i <- i + 1
            i = bytes.Length)

    let internal range (network: IpNetwork) : AddressRange =
        let first = network.Network.GetAddressBytes()
        { First = first; Last = first |> Array.mapi (fun i b -> b ||| ~~~(mask network.Length i)) }

/// Many networks as one question. Overlapping networks are joined into ranges when the set is made, so that a
/// membership test is one binary search however long the list was.
[<Sealed>]
type IpNetworkSet private (networks: IpNetwork list, v4: AddressRange[], v6: AddressRange[]) =
    static let join (networks: IpNetwork list) =
        let ranges = networks |> List.map IpNetwork.range |> List.sortWith (fun a b -> AddressRange.Compare(a.First, b.First))
        let joined = ResizeArray<AddressRange>()
        for range in ranges do
            if joined.Count > 0 && AddressRange.Compare(range.First, joined[joined.Count - 1].Last) <= 0 then
                let before = joined[joined.Count - 1]
                if AddressRange.Compare(range.Last, before.Last) > 0 then
                    joined[joined.Count - 1] <- { before with Last = range.Last }
            else
                joined.Add range
        joined.ToArray()

    static let search (ranges: AddressRange[]) (address: byte[]) =
        let mutable low, high = 0, ranges.Length - 1
        let mutable found = false
        while not found && low <= high do
            let middle = (low + high) / 2
            let range = ranges[middle]
            if AddressRange.Compare(address, range.First) < 0 then high <- middle - 1
            elif AddressRange.Compare(address, range.Last) > 0 then low <- middle + 1
            else found <- true
        found

    new(networks: IpNetwork list) =
        let v4, v6 = networks |> List.partition (fun n -> IpAddress.isV4 n.Prefix)
        IpNetworkSet(networks, join v4, join v6)

    static member Empty = IpNetworkSet([])
    member _.Networks = networks
    member _.IsEmpty = List.isEmpty networks

    member _.Contains(address: IPAddress) =
        let address = IpAddress.canonical address
        search (if IpAddress.isV4 address then v4 else v6) (address.GetAddressBytes())

    /// The first network of the list, in file order, that holds the address: for explanations, not for the data path.
    member _.FirstMatch(address: IPAddress) = networks |> List.tryFind (fun n -> IpNetwork.contains n address)

    override _.Equals other =
        match other with
        | :? IpNetworkSet as set -> set.Networks = networks
        | _ -> false

    override _.GetHashCode() = hash networks
