namespace Bitflow.Domain

open System
open System.Net
open System.Text

/// Version 1 of the PROXY protocol, one line of text (PP1-1 to PP1-10).
[<RequireQualifiedAccess>]
module ProxyHeaderText =
    /// The longest line, CR LF included: UNKNOWN with both addresses and ports at their longest (PP1-2).
    let maxBytes = 107

    let private shortestUnknown = "PROXY UNKNOWN\r\n".Length
    /// What the fields take at their shortest: addresses, then ports.
    let private shortestTcp4 = [| 7; 7; 1; 1 |] // 0.0.0.0
    let private shortestTcp6 = [| 2; 2; 1; 1 |] // ::
    let private lead = "PROXY "B
    let private tcp4 = "TCP4 "B
    let private tcp6 = "TCP6 "B
    let private unknown = "UNKNOWN"B
    let private lineEnd = "\r\n"B
    let private cr, lf = '\r'B, '\n'B

    /// The bytes begin with the word, or end before they depart from it.
    let private agrees (word: byte array) (bytes: ReadOnlySpan<byte>) =
        MemoryExtensions.CommonPrefixLength(bytes, ReadOnlySpan word) = min word.Length bytes.Length

    /// The fewest bytes that complete a line of these fields: what is missing of the field that is coming in, the fields
    /// after it with their spaces, and the line's end. A reader that takes no more never takes what is the client's.
    let private missing (shortest: int[]) (fields: ReadOnlySpan<byte>) =
        if fields.Length > 0 && fields[fields.Length - 1] = cr then
            1
        else
            let field = min (MemoryExtensions.Count(fields, ' 'B)) (shortest.Length - 1)
            let have = fields.Length - 1 - MemoryExtensions.LastIndexOf(fields, ' 'B)
            let mutable bytes = max 0 (shortest[field] - have) + lineEnd.Length
            for later in field + 1 .. shortest.Length - 1 do
                bytes <- bytes + 1 + shortest[later]
            bytes

    let private readPort (text: string) =
        let plain = text.Length <= 5 && String.forall Char.IsAsciiDigit text && (text.Length = 1 || text[0] <> '0')
        if plain && int text <= Address.maxPort then Ok(int text) else Error(ProxyHeaderFault.BadPort text)

    let private readAddress wantsV4 (text: string) =
        match IpAddress.tryParse text with
        | ValueNone -> Error(ProxyHeaderFault.BadAddress text)
        | ValueSome address when IpAddress.isV4 address <> wantsV4 -> Error(ProxyHeaderFault.WrongFamily text)
        | ValueSome address -> Ok(IpAddress.canonical address)

    let private readFields wantsV4 (line: string) =
        let fields = line.Split ' '
        if Array.contains "" fields then Error ProxyHeaderFault.EmptyField
        elif fields.Length <> 4 then Error(ProxyHeaderFault.FieldCount fields.Length)
        else
            readAddress wantsV4 fields[0]
            |> Result.bind (fun source ->
                readAddress wantsV4 fields[1]
                |> Result.bind (fun destination ->
                    readPort fields[2]
                    |> Result.bind (fun sourcePort ->
                        readPort fields[3]
                        |> Result.map (fun destinationPort ->
                            ProxyHeader.TextTcp(IPEndPoint(source, sourcePort), IPEndPoint(destination, destinationPort))))))

    /// Addresses are decoded only once the line is there (PP1-6); nothing in them is a CR or an LF.
    let private parseTcp wantsV4 (bytes: ReadOnlySpan<byte>) =
        let start = lead.Length + tcp4.Length
        let window = bytes.Slice(0, min bytes.Length maxBytes)
        match MemoryExtensions.IndexOfAny(window, cr, lf) with
        | -1 -> Parse.NeedMore(missing (if wantsV4 then shortestTcp4 else shortestTcp6) (bytes.Slice start))
        | i when window[i] = lf -> Parse.Rejected ProxyHeaderFault.LoneLineFeed
        | i when i = window.Length - 1 -> Parse.NeedMore 1
        | i when window[i + 1] <> lf -> Parse.Rejected ProxyHeaderFault.LoneCarriageReturn
        | i ->
            match readFields wantsV4 (Encoding.Latin1.GetString(window.Slice(start, i - start))) with
            | Ok header -> Parse.Done(header, i + 2)
            | Error fault -> Parse.Rejected fault

    /// Whatever stands before the CR LF is ignored (PP1-8).
    let private parseUnknown (bytes: ReadOnlySpan<byte>) =
        let after = lead.Length + unknown.Length
        let window = bytes.Slice(0, min bytes.Length maxBytes)
        if window.Length > after && window[after] = lf then
            Parse.Rejected ProxyHeaderFault.LoneLineFeed
        elif window.Length > after && window[after] <> ' 'B && window[after] <> cr then
            Parse.Rejected ProxyHeaderFault.Protocol
        elif window.Length > after + 1 && window[after] = cr && window[after + 1] <> lf then
            Parse.Rejected ProxyHeaderFault.LoneCarriageReturn
        else
            match MemoryExtensions.IndexOf(window, ReadOnlySpan lineEnd) with
            | -1 when window[window.Length - 1] = cr -> Parse.NeedMore 1
            | -1 -> Parse.NeedMore lineEnd.Length
            | i -> Parse.Done(ProxyHeader.TextUnknown, i + 2)

    let private parseLine (bytes: ReadOnlySpan<byte>) : Parse<ProxyHeader, ProxyHeaderFault> =
        if not (agrees lead bytes) then
            Parse.Rejected ProxyHeaderFault.NotAHeader
        elif bytes.Length <= lead.Length then
            Parse.NeedMore(shortestUnknown - bytes.Length)
        else
            let rest = bytes.Slice lead.Length
            let full (word: byte array) = word.Length
            if agrees unknown rest then
                if rest.Length < full unknown then Parse.NeedMore(shortestUnknown - bytes.Length) else parseUnknown bytes
            elif agrees tcp4 rest && rest.Length >= full tcp4 then
                parseTcp true bytes
            elif agrees tcp6 rest then
                // `TCP` may still become either; TCP6 has the shorter line.
                if rest.Length < full tcp6 then Parse.NeedMore(full tcp6 - rest.Length + missing shortestTcp6 ReadOnlySpan.Empty)
                else parseTcp false bytes
            elif agrees tcp4 rest then
                Parse.NeedMore(full tcp4 - rest.Length + missing shortestTcp4 ReadOnlySpan.Empty)
            else
                Parse.Rejected ProxyHeaderFault.Protocol

    /// What could not end within the longest line there is (PP1-2) is not waited for.
    let private parseWithin (bytes: ReadOnlySpan<byte>) =
        match parseLine bytes with
        | Parse.NeedMore more when bytes.Length + more > maxBytes -> Parse.Rejected ProxyHeaderFault.LineTooLong
        | answer -> answer

    /// No line of so many bytes can be too long: what is missing of one is never more than the shortest fields, the spaces between them and the line's end.
    let private neverTooLong = maxBytes - (Array.sum shortestTcp4 + 3 + lineEnd.Length)

    /// A header from its first byte on; bytes behind its CR LF are not looked at. A line that has shown that it will be too long is too long, whatever comes behind that byte: how
    /// the bytes arrived makes no difference.
    let parse (bytes: ReadOnlySpan<byte>) : Parse<ProxyHeader, ProxyHeaderFault> =
        let mutable length = min bytes.Length neverTooLong
        let mutable answer = parseWithin (bytes.Slice(0, length))
        while length < bytes.Length && (match answer with Parse.NeedMore _ -> true | _ -> false) do
            length <- length + 1
            answer <- parseWithin (bytes.Slice(0, length))
        answer

    /// Hexadecimal alone (PP1-4): the platform writes some addresses with a dotted tail, which the protocol does not know.
    let private writeV6 (address: IPAddress) =
        let text = address.ToString()
        if text.Contains '.' then
            let bytes = address.GetAddressBytes()
            Seq.init 8 (fun i -> ((int bytes[2 * i] <<< 8) ||| int bytes[2 * i + 1]).ToString "x") |> String.concat ":"
        else
            text

    /// Ends of different families can only be written as IPv6, one of them mapped; reading makes it IPv4 again.
    let encodeTcp (source: IPEndPoint) (destination: IPEndPoint) =
        if IpAddress.isV4 source.Address && IpAddress.isV4 destination.Address then
            Encoding.ASCII.GetBytes $"PROXY TCP4 {source.Address} {destination.Address} {source.Port} {destination.Port}\r\n"
        else
            let v6 (e: IPEndPoint) = writeV6 (e.Address.MapToIPv6())
            Encoding.ASCII.GetBytes $"PROXY TCP6 {v6 source} {v6 destination} {source.Port} {destination.Port}\r\n"

    let encodeUnknown () = "PROXY UNKNOWN\r\n"B
