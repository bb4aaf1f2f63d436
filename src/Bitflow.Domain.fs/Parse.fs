namespace Bitflow.Domain

/// What an incremental parser says of the bytes so far (G1 and G2 of `docs/protocols.md`, as all such marks): more bytes never
/// change a `Done` or a `Rejected`, and the way in which the bytes were cut never changes the answer.
[<RequireQualifiedAccess>]
type Parse<'value, 'fault> =
    /// A prefix of something valid; at least this many further bytes (1 or more) are missing.
    | NeedMore of atLeast: int
    /// The value, and how many of the bytes it took; the rest belongs to whatever comes next.
    | Done of value: 'value * consumed: int
    | Rejected of fault: 'fault
