namespace Bitflow.Domain

/// The name that a TLS target is asked for and verified by.
[<RequireQualifiedAccess>]
module TargetName =
    /// The configured one, else the host of the target's address; empty where there is neither (such a target cannot
    /// be verified). Address literals are verified as such.
    [<CompiledName "Of">]
    let ofTarget (target: TargetConfig) (tls: TargetTls) : string =
        // No dot stands at its end (RFC 6066 section 3).
        let withoutDot = ServerName.withoutTrailingDot
        match tls.ServerName, target.Address with
        | Some name, _ -> withoutDot name
        | None, TargetAddress.Dialled(DialAddress.Tcp(_, DialHost.Name name, _)) -> withoutDot name.Text
        | None, TargetAddress.Dialled(DialAddress.Tcp(_, DialHost.Literal address, _)) -> string address
        | None, _ -> ""

    /// Whether a DNS name that a certificate shows is this one: but for case the same, or with a wildcard for its first label (RFC 9525 section 6.3). The platform
    /// has a comparison too, which throws at labels that begin with a hyphen or an underscore, and is content with a dot at the end of a shown name.
    [<CompiledName "IsNamedBy">]
    let isNamedBy (shown: string) (name: string) =
        let same (a: string) (b: string) = System.String.Equals(a, b, System.StringComparison.OrdinalIgnoreCase)
        let dot = name.IndexOf '.'
        same shown name || (dot > 0 && shown.StartsWith("*.", System.StringComparison.Ordinal) && same (shown.Substring 1) (name.Substring dot))

    /// What a hello asks for with such a name; empty where it is an address literal, which is no server name (RFC 6066 section 3).
    [<CompiledName "Asked">]
    let asked (name: string) : string = if (IpAddress.tryParse name).IsSome then "" else name
