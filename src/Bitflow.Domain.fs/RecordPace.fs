namespace Bitflow.Domain

open System

module private TlsRecord =
    /// Each record begins with its kind, a version and its length (RFC 8446 section 5.1).
    [<Literal>]
    let HeaderBytes = 5

    /// The kind of a record of the handshake, which stands in the clear until the keys of TLS 1.3 are in use (RFC 5246 section 6.2.1, RFC 8446 section 5.1).
    [<Literal>]
    let Handshake = 22uy

/// How fast the records of one TLS peer are taken, as a state that the link keeps: where its stream stands between two pieces, and how much the next may be.
[<Struct; NoComparison>]
type RecordPace =
    private
        { /// Bytes of the record's header that have passed, of five.
          OfHeader: int
          /// Bytes behind its header that are still to come.
          Left: int
          /// Whether it is of the handshake.
          IsOfHandshake: bool
          /// What the peer may still send to shake hands; once they are shaken, to shake them anew. None is left below 0.
          ForHandshake: int
          /// The largest piece there is.
          AtOnce: int
          /// What is left of this call.
          MayGive: int }

    /// Whether the peer has sent more of the handshake than it may: nothing more is taken of it.
    member this.IsSpent = this.ForHandshake < 0

    /// How many bytes may be taken now.
    member this.Most = if this.IsSpent then 0 else Math.Min(this.AtOnce, this.MayGive)

    /// Whether a record has begun and is not whole.
    member this.IsWithinRecord = this.Left > 0 || (this.OfHeader > 0 && this.OfHeader < TlsRecord.HeaderBytes)

/// A record costs the same work whatever is in it (a KeyUpdate more), and a call of the TLS library goes on until it has data: of a peer that sends many small records a
/// call takes one small piece, so that it keeps nobody else waiting. Nor does a call return while a peer sends what the library passes over in a handshake, a server's HelloRequest
/// for example (RFC 5246 section 7.4.1.1), of which a record holds four thousand: of the handshake a peer may send so much and no more. Every transition is total.
[<RequireQualifiedAccess>]
module RecordPace =
    /// More of them in one piece are many.
    let private manyRecords = 16

    /// In bytes, on average, headers and tags among it.
    let private smallRecord = 256

    /// The piece, in bytes, that is taken of a peer that may send, or has sent, many small records: some seventy of the smallest, a millisecond of everybody's time.
    [<Literal>]
    let SmallPiece = 2048

    /// What each record of the handshake counts for beside its bytes: one costs work though it holds nothing.
    [<Literal>]
    let RecordCost = 256

    /// In bytes, with the cost of each record. A peer's certificates are no more than 100 KB, and as much may be the authorities that a server names when it asks for ours: what is larger the library
    /// refuses (SSL_CTX_set_max_cert_list(3)).
    [<Literal>]
    let MostOfHandshake = 524288

    /// The same behind a handshake of TLS 1.2, where some servers ask for another and are declined, an alert for each time.
    [<Literal>]
    let MostBehindHandshake = 4096

    /// Nothing has come: whoever begins with many small records is not waited for either.
    [<CompiledName "Start">]
    let start: RecordPace =
        { OfHeader = 0; Left = 0; IsOfHandshake = false; ForHandshake = MostOfHandshake; AtOnce = SmallPiece; MayGive = Int32.MaxValue }

    /// A call of the library begins, or several for one purpose, to which no more than so many bytes are given.
    [<CompiledName "Begun">]
    let begun (most: int) (pace: RecordPace) : RecordPace = { pace with MayGive = most }

    /// Bytes have come: where the stream stands behind them, and how many records begin in them. Where the peer has sent too much of the handshake, it stands there.
    let private passed (isShaking: bool) (bytes: ReadOnlySpan<byte>) (pace: RecordPace) : struct (RecordPace * int * int) =
        let mutable ofHeader = pace.OfHeader
        let mutable left = pace.Left
        let mutable isOfHandshake = pace.IsOfHandshake
        let mutable forHandshake = pace.ForHandshake
        let mutable records = 0
        let mutable at = 0
        while at < bytes.Length && forHandshake >= 0 do
            if ofHeader = TlsRecord.HeaderBytes && left > 0 then
                let ofRecord = Math.Min(left, bytes.Length - at)
                left <- left - ofRecord
                at <- at + ofRecord
                if isOfHandshake then forHandshake <- forHandshake - ofRecord
            else
                if ofHeader = TlsRecord.HeaderBytes then ofHeader <- 0
                if ofHeader = 0 then
                    records <- records + 1
                    isOfHandshake <- isShaking || bytes[at] = TlsRecord.Handshake
                    if isOfHandshake then forHandshake <- forHandshake - RecordCost
                if ofHeader >= TlsRecord.HeaderBytes - 2 then left <- ((left <<< 8) ||| int bytes[at]) &&& 0xffff
                ofHeader <- ofHeader + 1
                at <- at + 1
        struct ({ pace with OfHeader = ofHeader; Left = left; IsOfHandshake = isOfHandshake; ForHandshake = forHandshake }, records, at)

    /// Bytes came while hands are shaken, which takes no pace but an end. With how many of them the library gets.
    [<CompiledName "ShookHands">]
    let shookHands (bytes: ReadOnlySpan<byte>) (pace: RecordPace) : struct (RecordPace * int) =
        let struct (pace, _, given) = passed true bytes pace
        struct (pace, given)

    /// Hands are shaken.
    [<CompiledName "Shaken">]
    let shaken (pace: RecordPace) : RecordPace = { pace with IsOfHandshake = false; ForHandshake = MostBehindHandshake }

    /// A piece was taken, of no more than `Most`. Many small records are the last of this call, and pieces are small until one that could have held many held few. With how many bytes of it the library gets.
    [<CompiledName "Taken">]
    let taken (bytes: ReadOnlySpan<byte>) (pace: RecordPace) : struct (RecordPace * int) =
        let struct (pace, records, given) = passed false bytes pace
        let pace =
            if records > manyRecords && bytes.Length < records * smallRecord then
                { pace with AtOnce = SmallPiece; MayGive = 0 }
            else
                { pace with
                    AtOnce = (if bytes.Length >= SmallPiece then Int32.MaxValue else pace.AtOnce)
                    MayGive = pace.MayGive - bytes.Length }
        struct (pace, given)

    /// Why nothing more is taken of the peer, which ends the connection; none where something is.
    [<CompiledName "Refusal">]
    let refusal (isShaken: bool) (pace: RecordPace) : string voption =
        if not pace.IsSpent then ValueNone
        elif isShaken then ValueSome "it went on asking for another handshake"
        else ValueSome $"it sent more than {MostOfHandshake / 1024} KB, and hands were not shaken"
