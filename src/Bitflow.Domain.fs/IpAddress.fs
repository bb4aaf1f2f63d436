namespace Bitflow.Domain

open System
open System.Net
open System.Net.Sockets

/// Internet addresses, always seen the same way: IPv4-mapped IPv6 is IPv4, zone ids do not exist.
[<RequireQualifiedAccess>]
module IpAddress =
    /// The one form in which addresses are compared, matched, logged and sent.
    let canonical (address: IPAddress) =
        if address.AddressFamily = AddressFamily.InterNetworkV6 then
            if address.IsIPv4MappedToIPv6 then address.MapToIPv4()
            elif address.ScopeId <> 0L then IPAddress(address.GetAddressBytes())
            else address
        else
            address

    let isV4 (address: IPAddress) = address.AddressFamily = AddressFamily.InterNetwork

    /// 32 or 128: the bits of an address of this family.
    let bits (address: IPAddress) = if isV4 address then 32 else 128

    let private isDecimalByte (part: string) =
        part.Length >= 1
        && part.Length <= 3
        && String.forall Char.IsAsciiDigit part
        && (part.Length = 1 || part[0] <> '0')
        && int part <= 255

    /// Strict: four decimal bytes without leading zeros, or RFC 4291 section 2.2 text. No zone, no brackets, no
    /// octal or shortened IPv4 forms: two readings of one address are a way around a rule.
    let tryParse (text: string) : IPAddress voption =
        if isNull text then
            ValueNone
        elif text.Contains ':' then
            let plain = text |> String.forall (fun c -> Char.IsAsciiHexDigit c || c = ':' || c = '.')
            // The platform reads a dotted tail loosely; hold it to the strict form first.
            let tail = text.Substring(text.LastIndexOf ':' + 1)
            let tailHolds = not (tail.Contains '.') || (let p = tail.Split '.' in p.Length = 4 && Array.forall isDecimalByte p)
            if plain && tailHolds then
                match IPAddress.TryParse text with
                | true, address when address.AddressFamily = AddressFamily.InterNetworkV6 -> ValueSome address
                | _ -> ValueNone
            else
                ValueNone
        else
            let parts = text.Split '.'
            if parts.Length = 4 && Array.forall isDecimalByte parts then
                ValueSome(IPAddress(parts |> Array.map byte))
            else
                ValueNone
