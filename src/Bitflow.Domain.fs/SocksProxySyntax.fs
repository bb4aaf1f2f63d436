namespace Bitflow.Domain

open System
open System.Text

/// What can be wrong with the syntax of a SOCKS5 proxy. No case holds the text: it may be a password.
[<RequireQualifiedAccess>]
type SocksProxyError =
    | NoPassword
    | UserLength
    | PasswordLength
    | BadPercentEncoding
    | BadAddress
    | NotASocksAddress

/// How a SOCKS5 proxy is written: `[tcp:][user:password@]host:port` or `unix:/path`.
[<RequireQualifiedAccess>]
module SocksProxySyntax =
    /// The bytes behind `%41`; anything else as it stands.
    let private percentDecode (text: string) : Result<byte array, SocksProxyError> =
        let bytes = Encoding.UTF8.GetBytes text
        let decoded = ResizeArray bytes.Length
        let mutable i = 0
        let mutable isGood = true
        while isGood && i < bytes.Length do
            if bytes[i] <> byte '%' then
                decoded.Add bytes[i]
                i <- i + 1
            elif i + 2 < bytes.Length && Char.IsAsciiHexDigit(char bytes[i + 1]) && Char.IsAsciiHexDigit(char bytes[i + 2]) then
                decoded.Add(Convert.ToByte(Encoding.ASCII.GetString(bytes, i + 1, 2), 16))
                i <- i + 3
            else
                isGood <- false
        if isGood then Ok(decoded.ToArray()) else Error SocksProxyError.BadPercentEncoding

    /// What URLs of proxies begin with. Read as credentials, they would send a wrong user and password.
    let private schemes = [ "socks://"; "socks4://"; "socks4a://"; "socks5://"; "socks5h://"; "tcp://"; "http://"; "https://" ]

    /// `[tcp:][user:password@]host:port` or `unix:/path`; the credentials end at the last `@`, and the first `:` in
    /// them ends the user (RFC 1929: 1 to 255 bytes each).
    let tryParse (text: string) : Result<SocksProxy, SocksProxyError> =
        let address text =
            match TargetAddress.tryParse text with
            | Ok(TargetAddress.Dialled address) -> Ok address
            | Ok(TargetAddress.Descriptor _)
            | Error _ -> Error SocksProxyError.BadAddress
        let part error (text: string) =
            percentDecode text
            |> Result.bind (fun bytes -> match SocksWord.tryOf bytes with ValueSome word -> Ok word | ValueNone -> Error error)
        let credentials (text: string) =
            match text.IndexOf ':' with
            | -1 -> Error SocksProxyError.NoPassword
            | colon ->
                part SocksProxyError.UserLength (text.Substring(0, colon))
                |> Result.bind (fun user ->
                    part SocksProxyError.PasswordLength (text.Substring(colon + 1))
                    |> Result.map (fun password -> Some { User = user; Password = password }))
        if text.StartsWith("unix:", StringComparison.Ordinal) then
            address text |> Result.map (fun address -> { Address = address; Credentials = None })
        elif schemes |> List.exists (fun scheme -> text.StartsWith(scheme, StringComparison.OrdinalIgnoreCase)) then
            Error SocksProxyError.NotASocksAddress
        else
            let rest = if text.StartsWith("tcp:", StringComparison.Ordinal) then text.Substring 4 else text
            let at = rest.LastIndexOf '@'
            let credentials = if at < 0 then Ok None else credentials (rest.Substring(0, at))
            credentials
            |> Result.bind (fun credentials ->
                address ("tcp:" + rest.Substring(at + 1)) |> Result.map (fun address -> { Address = address; Credentials = credentials }))

    let describe error =
        match error with
        | SocksProxyError.NoPassword -> "a user without a password; write \"user:password@host:port\""
        | SocksProxyError.UserLength -> "the user has 1 to 255 bytes; write \"user:password@host:port\""
        | SocksProxyError.PasswordLength -> "the password has 1 to 255 bytes; write \"user:password@host:port\""
        | SocksProxyError.BadPercentEncoding -> "a \"%\" stands without two hexadecimal digits; write \"%25\" for the sign itself"
        | SocksProxyError.BadAddress -> "the proxy's address is not usable; write \"host:port\", \"user:password@host:port\" or \"unix:/path\""
        | SocksProxyError.NotASocksAddress -> "a SOCKS5 proxy has no scheme in its address; write \"host:port\", \"user:password@host:port\" or \"unix:/path\""
