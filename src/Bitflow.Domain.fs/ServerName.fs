namespace Bitflow.Domain

open System
open System.Text

/// Why bytes are no server name.
[<RequireQualifiedAccess>]
type ServerNameFault =
    /// No byte at all, or nothing but the trailing dot.
    | Empty
    | TooLong of length: int
    /// A byte other than `A-Z a-z 0-9 . - _`.
    | BadByte of value: byte

/// The server name that a client asked for, in the one form in which it is routed on, matched with certificates and
/// logged: lower case, without a trailing dot. Two views of one name have been a bypass of client-certificate checks
/// (SNI-6), so nothing else in Bitflow reads a name from a client.
type ServerName =
    private
    | ServerName of string

    member this.Text = let (ServerName text) = this in text

    /// An IPv4 literal, which RFC 6066 does not permit as a server name (SNI-3); clients send them all the same. (An
    /// IPv6 literal has colons and is no server name at all.)
    member this.IsLiteral = (IpAddress.tryParse this.Text).IsSome

    override this.ToString() = this.Text

/// What a configured name (a target's under `sni`, a certificate's) stands for.
[<RequireQualifiedAccess>]
type NamePattern =
    | Exact of name: string
    /// `*.suffix`: every name of exactly one label more.
    | Wildcard of suffix: string
    /// `*`: every name, and clients that send none.
    | Any

[<RequireQualifiedAccess>]
module ServerName =
    /// OpenSSL refuses longer names (CH-23); a DNS name has at most 253 characters.
    let maxLength = 255

    let internal isNameByte (b: byte) =
        Char.IsAsciiLetterOrDigit(char b) || b = byte '.' || b = byte '-' || b = byte '_'

    let internal withoutTrailingDot (text: string) =
        if text.EndsWith '.' then text.Substring(0, text.Length - 1) else text

    let tryOfBytes (bytes: ReadOnlySpan<byte>) : Result<ServerName, ServerNameFault> =
        let mutable bad = -1
        for i in bytes.Length - 1 .. -1 .. 0 do
            if not (isNameByte bytes[i]) then bad <- i
        if bytes.Length > maxLength then Error(ServerNameFault.TooLong bytes.Length)
        elif bad >= 0 then Error(ServerNameFault.BadByte bytes[bad])
        else
            match withoutTrailingDot (Encoding.ASCII.GetString(bytes).ToLowerInvariant()) with
            | "" -> Error ServerNameFault.Empty
            | text -> Ok(ServerName text)

    [<CompiledName("TryCreate")>]
    let tryCreate (text: string) : Result<ServerName, ServerNameFault> =
        tryOfBytes (ReadOnlySpan(Encoding.UTF8.GetBytes(if isNull text then "" else text)))

    /// None: a name that no server name can ever match, an address literal among them.
    let tryPattern (text: string) : NamePattern voption =
        let exact text =
            match tryCreate text with
            | Ok name when not name.IsLiteral -> ValueSome name.Text
            | _ -> ValueNone
        if text = "*" then ValueSome NamePattern.Any
        elif not (isNull text) && text.StartsWith("*.", StringComparison.Ordinal) then
            exact (text.Substring 2) |> ValueOption.map NamePattern.Wildcard
        else
            exact text |> ValueOption.map NamePattern.Exact

    /// Why a name that is none of these (`tryPattern`) is matched by nothing that a client sends, and what would be.
    let describeNoPattern (text: string) =
        if (IpAddress.tryParse (text.Trim('[', ']'))).IsSome then "clients send no addresses as server names"
        elif text.IndexOfAny [| ':'; '/' |] >= 0 then "a server name has no scheme, port or path"
        elif text.Contains '*' then "a wildcard stands for the first label alone, as in \"*.example.com\""
        elif text |> Seq.exists (Char.IsAscii >> not) then "clients send names in ASCII, as in \"xn--mnchen-3ya.de\""
        else "no server name matches its name"

    let describeFault (fault: ServerNameFault) =
        match fault with
        | ServerNameFault.Empty -> "the server name is empty"
        | ServerNameFault.TooLong length -> $"the server name has {length} bytes; at most {maxLength} are allowed"
        | ServerNameFault.BadByte value -> $"the server name holds the byte 0x{value:x2}; only A-Z a-z 0-9 . - _ are allowed"
