namespace Bitflow.Domain

/// A session that a target gave before and is offered now, so that hands need not be shaken in full (RFC 8446 section 2.2).
[<RequireQualifiedAccess>]
module OfferedSession =
    /// Whether a handshake may have failed for it: then the target is dialled once more, and offered none. With a session comes the certificate that began it; and a
    /// target that can do nothing with one should ignore it (RFC 8446 section 4.2.11), but may answer with an alert, or end or reset the connection without a word. Not where
    /// the certificate that is why is known to be what the target shows now, nor where it could not be reached: neither would be any better without.
    [<CompiledName "MayBeWhy">]
    let mayBeWhy (offered: bool) (isShownNow: bool) (beneath: IoFault) : bool =
        let isTheTargets =
            match beneath with
            | IoFault.None
            | IoFault.Truncated
            | IoFault.Reset -> true
            | _ -> false
        offered && not isShownNow && isTheTargets
