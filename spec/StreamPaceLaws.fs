module Bitflow.Spec.StreamPaceLaws

open Xunit
open Bitflow.Domain

/// What comes of a direction: a receive of so many bytes, which may have filled the buffer, or a splice of so many.
let private step (pace: StreamPace) (size: uint16, isFull: bool) =
    let bytes = int size
    if pace.IsForSplice then StreamPace.spliced bytes pace else StreamPace.copied bytes isFull pace

let private after steps = List.fold step StreamPace.start steps
let private times count what = List.replicate count what
let private message = 100us, false
let private full = uint16 StreamPace.PieceBytes, true

[<Fact>]
let ``a piece of a stream fits one segment of a loopback, plain or made into records of TLS, and fills it`` () =
    let ofIPv4, ofIPv6 = 65_483, 65_464
    Law.HoldsFor(List.allPairs [ ofIPv4; ofIPv6 ] [ 0; 22; 29 ], fun (segment, addedToRecord) ->
        let records = (StreamPace.PieceBytes + 16_383) / 16_384
        let bytes = StreamPace.PieceBytes + records * addedToRecord
        bytes <= segment && bytes > segment - segment / 256)

[<Fact>]
let ``a stream moves into the ring with its sixteenth small message in a row, and a larger one begins the count anew`` () =
    Law.HoldsFor(
        [ times 15 message, false; times 16 message, true; times 40 message, true
          times 15 message @ [ 8_192us, false ] @ times 15 message, false
          times 15 message @ [ 8_192us, false ] @ times 16 message, true
          times 15 message @ [ 8_191us, false ], true
          times 15 message @ [ 0us, false ], true ],
        fun (steps, isForRing) -> (after steps).IsForRing = isForRing)

[<Fact>]
let ``each time that a stream comes back from the ring it must show twice as many messages, and at most 4096`` () =
    Law.HoldsFor([ 0, 16; 1, 32; 2, 64; 8, 4_096; 9, 4_096; 40, 4_096 ], fun (stays, needed) ->
        let back = List.fold (fun pace _ -> StreamPace.leftRing pace) StreamPace.start [ 1..stays ]
        let shown count = List.fold step back (times count message)
        not (shown (needed - 1)).IsForRing && (shown needed).IsForRing)

[<Fact>]
let ``where the ring cannot take it a stream shows as many messages again before the ring is asked again`` () =
    Law.HoldsFor([ 15, false; 16, true ], fun (more, isForRing) ->
        (List.fold step (StreamPace.askedRing (after (times 16 message))) (times more message)).IsForRing = isForRing)

[<Fact>]
let ``a stream that fills the buffer is spliced, until eight small splices in a row`` () =
    let small, large = (16_383us, false), (16_384us, false)
    Law.HoldsFor(
        [ [], false; [ 65_535us, false ], false; [ full ], true
          full :: times 7 small, true; full :: times 8 small, false
          full :: times 7 small @ [ large ] @ times 7 small, true
          full :: times 100 large, true
          full :: times 8 small @ [ full ] @ times 7 small, true ],
        fun (steps, isForSplice) -> (after steps).IsForSplice = isForSplice)

[<Fact>]
let ``what cannot be spliced is copied, and counts its small splices anew once it can`` () =
    Law.Holds(fun (steps: (uint16 * bool) list) ->
        let stopped = StreamPace.notSpliced (after steps)
        not stopped.IsForSplice && (List.fold step stopped (full :: times 7 (1us, false))).IsForSplice)

[<Fact>]
let ``nobody moves into the ring who was not heard to send small messages alone lately, and nobody is spliced who filled no buffer`` () =
    Law.HoldsWhere(fun premise (steps: (uint16 * bool) list) (calm: bool) ->
        // Every other stream is calm, or hardly one would ever be for the ring.
        let steps = if calm then List.map (fun (size, _) -> size % 9_000us, false) steps else steps
        let pace = after steps
        let isSmall (size: uint16, _) = int size < StreamPace.MessageBytes
        (not (premise pace.IsForRing) || (steps.Length >= 16 && steps |> List.rev |> List.takeWhile isSmall |> List.length >= 16))
        && (not pace.IsForSplice || List.exists snd steps))
