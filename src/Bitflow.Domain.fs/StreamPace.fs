namespace Bitflow.Domain

/// How the bytes of one direction of a relay have come lately, as far as it says which way the next ones go: copied through a buffer, spliced through a pipe
/// (splice(2)), or message by message in a ring of the kernel's (io_uring(7)). A state that the pump keeps.
[<Struct; NoComparison>]
type StreamPace =
    private { IsBusy: bool; SmallSplices: int; SmallMessages: int; MessagesForRing: int }

    /// Whether it is spliced, where there is a pipe for it.
    member this.IsForSplice = this.IsBusy

    /// Whether it moves into the ring, where there is one.
    member this.IsForRing = this.SmallMessages >= this.MessagesForRing

/// Which way a stream goes: what each way costs was measured (decision 4). Every transition is total.
[<RequireQualifiedAccess>]
module StreamPace =
    /// Bytes of one receive, which are sent on in one piece. With what TLS adds to its four records (at most 29 bytes each with the usual suites: RFC 5246 section 6.2.3 and RFC 5288
    /// section 3; RFC 8446 section 5.2) it fits the largest segment of a loopback: 65,464 bytes, what its datagram of 65,536 leaves beside the headers of IPv6 and of TCP with
    /// timestamps (RFC 7323). A full 64 KB would leave a second segment of some hundred bytes behind each.
    [<Literal>]
    let PieceBytes = 65_348

    /// A message of the ring is smaller than this, in bytes: so much a buffer of it holds.
    [<Literal>]
    let MessageBytes = 8192

    /// Bytes below which a splice costs more than the copy that it saves.
    [<Literal>]
    let SmallSplice = 16_384

    /// So many small splices in a row, and the stream is copied again.
    let private smallSplicesBeforeCopying = 8

    /// So many small messages in a row, and it moves into the ring: a short connection never does.
    let private messagesForRing = 16

    /// Each time that it comes back from there it must show twice as many, up to this.
    let private mostMessagesForRing = 4096

    /// Nothing has come yet.
    [<CompiledName "Start">]
    let start: StreamPace =
        { IsBusy = false; SmallSplices = 0; SmallMessages = 0; MessagesForRing = messagesForRing }

    /// A receive brought so many bytes, which were handed on. `isFull`: they filled the buffer, and both sides can be spliced.
    [<CompiledName "Copied">]
    let copied (bytes: int) (isFull: bool) (pace: StreamPace) : StreamPace =
        { pace with
            IsBusy = isFull
            SmallMessages = if bytes >= MessageBytes then 0 else min (pace.SmallMessages + 1) pace.MessagesForRing }

    /// A splice moved so many bytes.
    [<CompiledName "Spliced">]
    let spliced (bytes: int) (pace: StreamPace) : StreamPace =
        let small = if bytes < SmallSplice then pace.SmallSplices + 1 else 0
        if small < smallSplicesBeforeCopying then { pace with SmallSplices = small }
        else { pace with IsBusy = false; SmallSplices = 0 }

    /// It cannot be spliced just now: urgent data, an end, a fault, or a splice that the kernel refuses.
    [<CompiledName "NotSpliced">]
    let notSpliced (pace: StreamPace) : StreamPace = { pace with IsBusy = false; SmallSplices = 0 }

    /// The ring was asked to take it, and has, or cannot.
    [<CompiledName "AskedRing">]
    let askedRing (pace: StreamPace) : StreamPace = { pace with SmallMessages = 0 }

    /// A stay in the ring is over.
    [<CompiledName "LeftRing">]
    let leftRing (pace: StreamPace) : StreamPace =
        { pace with MessagesForRing = min (2 * pace.MessagesForRing) mostMessagesForRing }
