namespace Bitflow.Domain

open System

/// Names of cipher suites.
[<RequireQualifiedAccess>]
module CipherName =
    /// From the registry's name of a suite (IANA, TLS Cipher Suites) to OpenSSL's (openssl-ciphers(1)), which is what a PROXY header holds: those of TLS 1.3 are
    /// the same in both, and the others that are used here all agree on keys with (EC)DHE or RSA, and encrypt with AES or ChaCha20.
    [<CompiledName "OpenSsl">]
    let openSsl (name: string) : string =
        match name.IndexOf("_WITH_", StringComparison.Ordinal) with
        | -1 -> name
        | middle ->
            let keys = (name.Substring(0, middle).Replace("TLS_", "") + "-").Replace("_", "-")
            let cipher = name.Substring(middle + 6).Replace("AES_", "AES").Replace("_CBC_", "_").Replace("_", "-")
            // With ChaCha20 the hash goes without saying, and with RSA alone the keys do.
            let cipher = if cipher = "CHACHA20-POLY1305-SHA256" then "CHACHA20-POLY1305" else cipher
            (if keys = "RSA-" then "" else keys) + cipher
