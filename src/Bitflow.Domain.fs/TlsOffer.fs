namespace Bitflow.Domain

/// How a client offers to speak TLS, as far as a listener goes by it. A hello may name thousands of versions and groups; this
/// much of them is enough to decide, and small enough to be recorded, so that a connection can be decided again.
type TlsOffer =
    { Tls12: bool
      Tls13: bool
      /// The group in which keys would be exchanged and a listener exchanges none (`KeyExchange.tryLarge`); empty: there is no such.
      LargeGroup: string
      /// The kinds of key whose certificates the client verifies, in the order of `KeyKind.all`.
      Keys: KeyKind list }

[<RequireQualifiedAccess>]
module TlsOffer =
    /// A client before `supported_versions` names its highest version alone, in its old field; GREASE is no version.
    [<CompiledName "OfHello">]
    let ofHello (hello: ClientHello) : TlsOffer =
        { Tls12 = List.contains 0x0303us hello.Versions
          Tls13 = List.contains 0x0304us hello.Versions
          LargeGroup = KeyExchange.tryLarge hello |> ValueOption.defaultValue ""
          Keys = KeyKind.verifiableBy hello }

    /// A client of today.
    let usual = { Tls12 = true; Tls13 = true; LargeGroup = ""; Keys = KeyKind.all }

    /// What the version of a finished handshake tells of the offer before it; none for a version that Bitflow does not speak. A client that
    /// offers 1.3 gets it, whatever the listener's min_version.
    let ofAgreed (version: string) : TlsOffer voption =
        if version = string TlsVersion.Tls13 then ValueSome usual
        elif version = string TlsVersion.Tls12 then ValueSome { usual with Tls13 = false }
        else ValueNone
