module Bitflow.Spec.RecordPaceLaws

open System
open FsCheck
open Xunit
open Bitflow.Domain

/// A stream of records with these many bytes behind each header.
let private stream (lengths: int list) : byte array =
    [| for length in lengths do
           yield! [| 23uy; 3uy; 3uy; byte (length >>> 8); byte length |]
           yield! Array.init length (fun i -> byte (i * 37)) |]

/// Lengths of every size, and small ones mostly.
let private lengthsOf (numbers: int list) =
    numbers |> List.map (fun n -> let n = abs (n % 100_000) in if n % 3 = 0 then n % 16_641 elif n % 3 = 1 then n % 40 else n % 300)

/// Takes the whole stream: in calls of so many bytes at most, of which each has the piece that the pace allows and that `arrives` gives. What each call took.
let private calls (perCall: int) (arrives: int -> int) (bytes: byte array) : int list =
    let rec take at piece call pace calls =
        if at = bytes.Length then List.rev (call :: calls)
        else
            let most = (pace: RecordPace).Most
            if most <= 0 then
                take at piece 0 (RecordPace.begun perCall pace) (call :: calls)
            else
                let size = Math.Min(Math.Min(most, Math.Max(1, arrives piece)), bytes.Length - at)
                let struct (pace, _) = RecordPace.taken (ReadOnlySpan(bytes, at, size)) pace
                take (at + size) (piece + 1) (call + size) pace calls
    take 0 0 0 (RecordPace.begun perCall RecordPace.start) []

let private perCall = 33_000

[<Fact>]
let ``a stream of TLS is taken to its end, and no call takes more than it may`` () =
    Law.HoldsWhere(fun premise numbers (NonEmptyArray(pieces: uint16 array)) ->
        let bytes = stream (lengthsOf numbers)
        let taken = calls perCall (fun i -> int pieces[i % pieces.Length]) bytes
        ignore (premise (bytes.Length > perCall))
        List.sum taken = bytes.Length && taken |> List.forall (fun call -> call <= perCall))

[<Fact>]
let ``of a peer that has more small records waiting than a small piece holds no call takes more than that`` () =
    Law.Holds(fun (numbers: int list) ->
        let small = numbers |> List.map (fun n -> abs (n % 64))
        let bytes = stream (List.concat (List.replicate 40 (1 :: small)))
        calls perCall (fun _ -> Int32.MaxValue) bytes |> List.forall (fun call -> call <= RecordPace.SmallPiece))

[<Fact>]
let ``a peer that sends large records is kept back by its first piece alone`` () =
    Law.Holds(fun (numbers: int list) ->
        let large = numbers |> List.map (fun n -> 2_000 + abs (n % 14_000))
        let bytes = stream (16_000 :: large)
        // Its first piece shares its call with the rest: as many calls as there would be without any pace.
        (calls perCall (fun _ -> Int32.MaxValue) bytes).Length = (bytes.Length + perCall - 1) / perCall)

[<Fact>]
let ``a peer that begins to send small records is noticed within one call, and one that stops within a small piece`` () =
    Law.HoldsWhere(fun premise (large: uint16) (many: uint16) ->
        let few = List.replicate (1 + int large % 8) 16_000
        let flood = List.replicate (100 + int many % 4_000) 2
        let bytes = stream (few @ flood @ List.replicate 8 16_000)
        let taken = calls perCall (fun _ -> Int32.MaxValue) bytes
        let floodFrom, floodBytes = few.Length * 16_005, flood.Length * 7
        let reaches = taken |> List.scan (+) 0 |> List.pairwise
        // The calls that lie within the flood, behind the one that met it.
        let within = reaches |> List.filter (fun (from, upTo) -> from > floodFrom && upTo <= floodFrom + floodBytes)
        let behind = reaches |> List.filter (fun (from, _) -> from > floodFrom + floodBytes)
        ignore (premise (not within.IsEmpty))
        within |> List.forall (fun (from, upTo) -> upTo - from <= RecordPace.SmallPiece)
        && (match behind with
            | _ :: second :: _ :: _ -> snd second - fst second = perCall
            | _ -> true))

let private takenOf bytes pace = let struct (pace, _) = RecordPace.taken (ReadOnlySpan(bytes: byte array)) pace in pace
let private shookOf bytes pace = let struct (pace, _) = RecordPace.shookHands (ReadOnlySpan(bytes: byte array)) pace in pace

[<Fact>]
let ``what a handshake took says nothing of the pace, and where its records end is not forgotten`` () =
    Law.Holds(fun (NonNegativeInt length) (NonNegativeInt cut) ->
        let length = length * 131 % 16_641
        let first = stream [ length ]
        // The handshake ends in the midst of a record, its header perhaps.
        let cut = cut % (first.Length + 1)
        let small = 17 + length % 40
        let rest = Array.append first[cut..] (stream (List.replicate small 1))
        let records = small + (if cut = 0 then 1 else 0)
        let shaken = RecordPace.start |> shookOf first[.. cut - 1] |> RecordPace.shaken
        let after = shaken |> RecordPace.begun 100_000 |> takenOf rest
        (RecordPace.begun Int32.MaxValue shaken).Most = RecordPace.start.Most && (after.Most = 0) = (rest.Length < records * 256))

[<Fact>]
let ``a stream that ends between two records is told from one that ends in the midst of one`` () =
    Law.Holds(fun numbers (NonNegativeInt cut) ->
        let lengths = lengthsOf numbers
        let bytes = stream lengths
        let cut = if bytes.Length = 0 then 0 else cut % (bytes.Length + 1)
        let ends = lengths |> List.scan (fun at length -> at + 5 + length) 0
        (takenOf bytes[.. cut - 1] (RecordPace.shaken RecordPace.start)).IsWithinRecord = not (List.contains cut ends)
        // Of a handshake that goes on for longer nothing is asked any more.
        && (let shook = shookOf bytes[.. cut - 1] RecordPace.start in shook.IsSpent || shook.IsWithinRecord = not (List.contains cut ends)))

[<Fact>]
let ``a whole small piece that holds few records opens the way, and one that is a byte short of it does not`` () =
    Law.HoldsFor([ 0, true; 1, false ], fun (short, isOpen) ->
        let piece = stream [ RecordPace.SmallPiece - 5 - short ]
        (takenOf piece (RecordPace.begun 100_000 RecordPace.start)).Most = if isOpen then 100_000 - piece.Length else RecordPace.SmallPiece)

[<Fact>]
let ``more than sixteen records of less than 256 bytes on average are the last of a call`` () =
    Law.HoldsFor([ 16, 11, false; 17, 11, true; 17, 250, true; 17, 251, false ], fun (records, length, areMany) ->
        let piece = stream (List.replicate records length)
        ((takenOf piece (RecordPace.begun 100_000 RecordPace.start)).Most = 0) = areMany)

/// What a peer has sent of the handshake at most, as it counts: its bytes, and each record beside.
let private cost (lengths: int list) = List.sum lengths + lengths.Length * RecordPace.RecordCost

[<Fact>]
let ``hands are shaken within half a megabyte, a record counting for 256 bytes more, or nothing more is taken and it is told why`` () =
    Law.Holds(fun numbers ->
        let lengths = lengthsOf (numbers @ List.replicate 20 33_333)
        let bytes = stream lengths
        let struct (pace, given) = RecordPace.shookHands (ReadOnlySpan bytes) RecordPace.start
        let isTooMuch = cost lengths > RecordPace.MostOfHandshake
        pace.IsSpent = isTooMuch
        && (given = bytes.Length || isTooMuch)
        && given <= RecordPace.MostOfHandshake + 16_645
        && (RecordPace.refusal false pace).IsSome = isTooMuch
        && (not isTooMuch || pace.Most = 0))
    // Empty records, and the largest.
    Law.HoldsFor([ List.replicate 2_048 0, false; List.replicate 2_049 0, true; List.replicate 31 16_384, false; List.replicate 32 16_384, true ], fun (lengths, isSpent) ->
        (shookOf (stream lengths) RecordPace.start).IsSpent = isSpent)

[<Fact>]
let ``however the bytes of a handshake are cut, the same of them is taken`` () =
    Law.Holds(fun numbers (NonEmptyArray(pieces: uint16 array)) ->
        let bytes = stream (lengthsOf (numbers @ List.init 60 (fun n -> n * 7)))
        let rec take at piece pace =
            if at = bytes.Length || (pace: RecordPace).IsSpent then pace
            else
                let size = min (1 + int pieces[piece % pieces.Length]) (bytes.Length - at)
                take (at + size) (piece + 1) (shookOf bytes[at .. at + size - 1] pace)
        let whole, cut = shookOf bytes RecordPace.start, take 0 0 RecordPace.start
        whole.IsSpent = cut.IsSpent && whole.IsWithinRecord = cut.IsWithinRecord)

/// The same as records of the handshake, which TLS 1.2 shows.
let private ofHandshake (lengths: int list) : byte array =
    [| for length in lengths do
           yield! [| 22uy; 3uy; 3uy; byte (length >>> 8); byte length |]
           yield! Array.zeroCreate length |]

[<Fact>]
let ``behind a handshake a peer may ask for another a few times, and one that goes on is given nothing more though data surrounds it`` () =
    let shaken = RecordPace.start |> RecordPace.shaken |> RecordPace.begun 1_000_000
    Law.Holds(fun numbers (asked: uint16 list) ->
        let data, asked = lengthsOf numbers, asked |> List.map (fun n -> int n % 600)
        let bytes = Array.concat [ stream data; ofHandshake asked; stream data ]
        let struct (pace, given) = RecordPace.taken (ReadOnlySpan bytes) shaken
        let isTooMuch = cost asked > RecordPace.MostBehindHandshake
        pace.IsSpent = isTooMuch
        && (RecordPace.refusal true pace).IsSome = isTooMuch
        && (if isTooMuch then pace.Most = 0 && given <= (stream data).Length + RecordPace.MostBehindHandshake + 605 else given = bytes.Length))
    // A HelloRequest in a record of its own, as servers send it; four thousand in one.
    Law.HoldsFor([ List.replicate 14 28, false; List.replicate 15 28, true; [ 16_408 ], true ], fun (asked, isSpent) -> (takenOf (ofHandshake asked) shaken).IsSpent = isSpent)
