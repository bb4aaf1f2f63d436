namespace Bitflow.Domain

/// A user or a password for a SOCKS5 proxy: 1 to 255 bytes, as one byte tells how many there are (RFC 1929 section 2). Never printed.
[<NoComparison; StructuredFormatDisplay("(secret)")>]
type SocksWord =
    private
    | SocksWord of byte array

    /// The caller must not write to it.
    member this.Bytes = let (SocksWord bytes) = this in bytes

    override _.ToString() = "(secret)"

[<RequireQualifiedAccess>]
module SocksWord =
    let maxLength = 255

    /// None for no byte at all, or for more than can be told. The word takes the bytes on.
    let tryOf (bytes: byte array) : SocksWord voption =
        if bytes.Length >= 1 && bytes.Length <= maxLength then ValueSome(SocksWord bytes) else ValueNone
