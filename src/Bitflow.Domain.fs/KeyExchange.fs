namespace Bitflow.Domain

/// Which Diffie-Hellman groups (RFC 8446 section 4.2.7) a listener shakes hands in. The library would speak all finite-field groups up
/// to 8192 bits, of which the client chooses, and a key of its own invention costs it nothing: one hello of ffdhe8192 then holds an event
/// loop for a tenth of a second (docs/decisions/0011-no-large-finite-fields.md).
[<RequireQualifiedAccess>]
module KeyExchange =
    /// In hexadecimal as the registry has them: secp256r1, secp384r1, secp521r1, x25519, x448, ffdhe2048, ffdhe3072. Whoever offers one of
    /// these as well is asked for it, since the library prefers them.
    let private affordable = set [ 0x17us; 0x18us; 0x19us; 0x1dus; 0x1eus; 0x0100us; 0x0101us ]

    let private large = dict [ 0x0102us, "ffdhe4096"; 0x0103us, "ffdhe6144"; 0x0104us, "ffdhe8192" ]

    /// The large group that the handshake would, or might, come to; none where it cannot. TLS 1.2 has none: no cipher suite of a
    /// listener's uses finite fields there.
    let tryLarge (hello: ClientHello) : string voption =
        let isLarge group = large.ContainsKey group
        let speaks13 = hello.Versions |> List.contains 0x0304us
        // Which of several shares is taken is the library's to decide, and differs between its versions: none may be large.
        let share = hello.KeyShares |> List.tryFind isLarge
        let asked =
            if hello.Groups |> List.exists affordable.Contains then None
            else hello.Groups |> List.tryFind isLarge
        match (if speaks13 then Option.orElse asked share else None) with
        | Some group -> ValueSome large[group]
        | None -> ValueNone
