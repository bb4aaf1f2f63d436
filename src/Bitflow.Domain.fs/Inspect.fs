namespace Bitflow.Domain

open System
open System.Text

/// What the program's own parsers see in captured bytes: `bitflow inspect`.
[<RequireQualifiedAccess>]
module Inspect =
    /// Hexadecimal text as people paste it: blanks, line ends, colons and a leading `0x` are passed over. None: the
    /// text is something else, or has an odd number of digits.
    [<CompiledName "TryHex">]
    let tryHex (text: string) : byte array voption =
        let text = if isNull text then "" else text.TrimStart()
        let text = if text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) then text.Substring 2 else text
        let digits = StringBuilder()
        let mutable sound = true
        for c in text do
            if Char.IsAsciiHexDigit c then digits.Append c |> ignore
            elif not (Char.IsWhiteSpace c || c = ':') then sound <- false
        if sound && digits.Length > 0 && digits.Length % 2 = 0 then ValueSome(Convert.FromHexString(string digits)) else ValueNone

    /// Whether text that is no hexadecimal text was meant as the path of a file: bytes are written without slashes and dots, and a hyphen alone is how
    /// other programs are told to read standard input.
    [<CompiledName "IsPath">]
    let isPath (text: string) = text.Contains '/' || text.Contains '.' || text = "-"

    /// What a file holds: its bytes, or what it says in hexadecimal text, where it is such text (lines that begin with `#`
    /// are remarks). No hello and no PROXY header begins with bytes that could be taken for hexadecimal text.
    [<CompiledName "OfFile">]
    let ofFile (bytes: byte array) : byte array =
        let isText = bytes |> Array.forall (fun b -> b < 0x80uy && (b >= 0x20uy || b = '\t'B || b = '\r'B || b = '\n'B))
        if not isText then
            bytes
        else
            (Encoding.ASCII.GetString bytes).Split '\n'
            |> Array.filter (fun line -> not (line.StartsWith '#'))
            |> String.concat "\n"
            |> tryHex
            |> ValueOption.defaultValue bytes

    let private lines (items: string list) = items |> List.map (fun line -> line + "\n") |> String.concat ""

    let private version (v: uint16) =
        match v with
        | 0x0300us -> "SSL 3.0"
        | 0x0301us -> "TLS 1.0"
        | 0x0302us -> "TLS 1.1"
        | 0x0303us -> "TLS 1.2"
        | 0x0304us -> "TLS 1.3"
        | _ when v &&& 0x0f0fus = 0x0a0aus && (v >>> 8) = (v &&& 0xffus) -> $"GREASE {v:x4}"
        | _ -> $"{v:x4}"

    /// What was seen, and whether it was a whole, valid hello.
    [<CompiledName "Hello">]
    let hello (bytes: byte array) : struct (string * bool) =
        match ClientHello.parse (ReadOnlySpan bytes) with
        | Parse.NeedMore atLeast -> struct (lines [ $"a hello that is not whole: {bytes.Length} bytes, at least {atLeast} more" ], false)
        | Parse.Rejected fault -> struct (lines [ $"no hello: {HelloFault.describe fault}" ], false)
        | Parse.Done(hello, consumed) ->
            let name = match hello.ServerName with ValueSome name -> name.Text | ValueNone -> "none"
            let list (items: string list) = if items.IsEmpty then "none" else String.concat ", " items
            let rest = bytes.Length - consumed
            struct
                (lines [
                    yield $"a TLS hello of {consumed} bytes"
                    yield $"server name: {name}"
                    yield $"application protocols: {list (hello.ApplicationProtocols |> List.map string)}"
                    yield $"versions: {list (hello.Versions |> List.map version)}"
                    yield $"keys of certificates: {list (KeyKind.verifiableBy hello |> List.map string)}"
                    if rest > 0 then yield $"{rest} bytes after it"
                 ],
                 true)

    let private tlvs (t: ProxyTlvs) =
        [ match t.Alpn with Some alpn -> yield $"ALPN: {Printable.ofText alpn}" | None -> ()
          match t.Authority with Some name -> yield $"authority: {Printable.ofText name}" | None -> ()
          match t.UniqueId with Some id -> yield $"unique id: {Convert.ToHexStringLower id}" | None -> ()
          match t.NetworkNamespace with Some name -> yield $"network namespace: {Printable.ofText name}" | None -> ()
          match t.Ssl with
          | Some ssl ->
              let version = ssl.Version |> Option.defaultValue "no version"
              yield $"SSL: {Printable.ofText version}"
              match ssl.Cipher with Some cipher -> yield $"cipher: {Printable.ofText cipher}" | None -> ()
              match ssl.CommonName with Some name -> yield $"client certificate for: {Printable.ofText name}" | None -> ()
              let certificate =
                  if not ssl.CertificateInSession && not ssl.CertificateOnConnection then "none"
                  elif ssl.Verified then "verified"
                  else "not verified"
              yield $"client certificate: {certificate}"
          | None -> () ]

    /// What was seen, and whether it was a whole, valid header.
    [<CompiledName "ProxyHeader">]
    let proxyHeader (bytes: byte array) : struct (string * bool) =
        match ProxyHeaderCodec.parse (ReadOnlySpan bytes) with
        | Parse.NeedMore atLeast -> struct (lines [ $"a PROXY header that is not whole: {bytes.Length} bytes, at least {atLeast} more" ], false)
        | Parse.Rejected fault -> struct (lines [ $"no PROXY header: {ProxyHeaderFault.describe fault}" ], false)
        | Parse.Done(header, consumed) ->
            let addresses source destination = [ $"source: {source}"; $"destination: {destination}" ]
            let path (text: string) = if text = "" then "none" else Printable.ofText text
            let what, more =
                match header with
                | ProxyHeader.TextTcp(s, d) -> "version 1, TCP", addresses s d
                | ProxyHeader.TextUnknown -> "version 1, UNKNOWN: the connection's own addresses stand", []
                | ProxyHeader.BinaryTcp(s, d, t) -> "version 2, PROXY over TCP", addresses s d @ tlvs t
                | ProxyHeader.BinaryUnix(s, d, t) -> "version 2, PROXY over a Unix socket", addresses (path s) (path d) @ tlvs t
                | ProxyHeader.BinaryUnspecified -> "version 2, UNSPEC: the connection's own addresses stand", []
                | ProxyHeader.BinaryLocal -> "version 2, LOCAL: a connection of the sender's own", []
            let rest = bytes.Length - consumed
            struct
                (lines [
                    yield $"a PROXY header of {consumed} bytes, {what}"
                    yield! more
                    if rest > 0 then yield $"{rest} bytes after it"
                 ],
                 true)
