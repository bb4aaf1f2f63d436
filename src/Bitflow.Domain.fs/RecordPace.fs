namespace Bitflow.Domain

open System

module private TlsRecord =
    /// Each record begins with its kind, a version and its length (RFC 8446 section 5.1).
    [<Literal>]
    let HeaderBytes = 5

/// How fast the records of one TLS peer are taken, as a state that the link keeps: where its stream stands between two pieces, and how much the next may be.
[<Struct; NoComparison>]
type RecordPace =
    private
        { /// Bytes of the record's header that have passed, of five.
          OfHeader: int
          /// Bytes behind its header that are still to come.
          Left: int
          /// The largest piece there is.
          AtOnce: int
          /// What is left of this call.
          MayGive: int }

    /// How many bytes may be taken now.
    member this.Most = Math.Min(this.AtOnce, this.MayGive)

    /// Whether a record has begun and is not whole.
    member this.IsWithinRecord = this.Left > 0 || (this.OfHeader > 0 && this.OfHeader < TlsRecord.HeaderBytes)

/// A record costs the same work whatever is in it (a KeyUpdate more), and a call of the TLS library goes on until it has data: of a peer that sends many small records a
/// call takes one small piece, so that it keeps nobody else waiting. Every transition is total.
[<RequireQualifiedAccess>]
module RecordPace =
    /// More of them in one piece are many.
    let private manyRecords = 16

    /// In bytes, on average, headers and tags among it.
    let private smallRecord = 256

    /// The piece, in bytes, that is taken of a peer that may send, or has sent, many small records: some seventy of the smallest, a millisecond of everybody's time.
    [<Literal>]
    let SmallPiece = 2048

    /// Nothing has come: whoever begins with many small records is not waited for either.
    [<CompiledName "Start">]
    let start: RecordPace = { OfHeader = 0; Left = 0; AtOnce = SmallPiece; MayGive = Int32.MaxValue }

    /// A call of the library begins, or several for one purpose, to which no more than so many bytes are given.
    [<CompiledName "Begun">]
    let begun (most: int) (pace: RecordPace) : RecordPace = { pace with MayGive = most }

    /// Bytes have passed: where the stream stands now, and how many records begin in them.
    let private passed (bytes: ReadOnlySpan<byte>) (pace: RecordPace) : struct (RecordPace * int) =
        let mutable ofHeader = pace.OfHeader
        let mutable left = pace.Left
        let mutable records = 0
        let mutable at = 0
        while at < bytes.Length do
            if ofHeader = TlsRecord.HeaderBytes && left > 0 then
                let ofRecord = Math.Min(left, bytes.Length - at)
                left <- left - ofRecord
                at <- at + ofRecord
            else
                if ofHeader = TlsRecord.HeaderBytes then ofHeader <- 0
                if ofHeader = 0 then records <- records + 1
                if ofHeader >= TlsRecord.HeaderBytes - 2 then left <- ((left <<< 8) ||| int bytes[at]) &&& 0xffff
                ofHeader <- ofHeader + 1
                at <- at + 1
        struct ({ pace with OfHeader = ofHeader; Left = left }, records)

    /// Bytes of the handshake were taken, which is over in a few records and is not paced.
    [<CompiledName "ShookHands">]
    let shookHands (bytes: ReadOnlySpan<byte>) (pace: RecordPace) : RecordPace =
        let struct (pace, _) = passed bytes pace
        pace

    /// A piece was taken, of no more than `Most`. Many small records are the last of this call, and pieces are small until one that could have held many held few.
    [<CompiledName "Taken">]
    let taken (bytes: ReadOnlySpan<byte>) (pace: RecordPace) : RecordPace =
        let struct (pace, records) = passed bytes pace
        if records > manyRecords && bytes.Length < records * smallRecord then
            { pace with AtOnce = SmallPiece; MayGive = 0 }
        else
            { pace with
                AtOnce = (if bytes.Length >= SmallPiece then Int32.MaxValue else pace.AtOnce)
                MayGive = pace.MayGive - bytes.Length }
