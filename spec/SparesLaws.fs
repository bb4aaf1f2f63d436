module Bitflow.Spec.SparesLaws

open Xunit
open Bitflow.Domain

/// What may happen to them: one is kept where there is room (0), a dial takes one where there is one (1), a beat (2).
let private after most steps =
    (([], Spares.start most), steps)
    ||> List.fold (fun (ages: int list, spares) step ->
        match abs (step % 3), ages with
        | 0, _ when spares.HasRoom -> 0 :: ages, Spares.keep spares
        | 1, _ :: rest -> rest, Spares.take spares
        | 2, _ -> ages |> List.take (ages.Length - spares.Unused) |> List.map ((+) 1), Spares.dropUnused spares
        | _ -> ages, spares)

[<Fact>]
let ``no more sockets are kept than may be, and none where none may be`` () =
    Law.Holds(fun (most: int, steps: int list) ->
        let most = abs (most % 5)
        let kept, spares = after most steps
        kept.Length <= most && spares.HasRoom = (kept.Length < most))

[<Fact>]
let ``a socket that no dial needs is closed at the second beat behind the one that kept it, whatever the others do`` () =
    Law.Holds(fun (steps: int list) -> fst (after 4 steps) |> List.forall (fun age -> age <= 1))

[<Fact>]
let ``a socket that no dial needs is closed within two seconds`` () =
    // At the second beat, as above.
    Law.HoldsFor([ 2L ], fun seconds -> Instant.OfNanoseconds 0L + Spares.beat + Spares.beat = Instant.OfNanoseconds(seconds * 1_000_000_000L))

[<Fact>]
let ``only what is kept is closed, and what dials come to need at a time stays`` () =
    Law.Holds(fun (steps: int list) ->
        let kept, spares = after 4 steps
        spares.Unused >= 0 && spares.Unused <= kept.Length)
    // Three at a time, each second, and a fourth that was needed once.
    let busy spares = spares |> Spares.take |> Spares.take |> Spares.take |> Spares.keep |> Spares.keep |> Spares.keep |> Spares.dropUnused
    let four = Spares.start 64 |> Spares.keep |> Spares.keep |> Spares.keep |> Spares.keep |> Spares.dropUnused
    Law.HoldsFor([ 1 .. 10 ], fun seconds ->
        let later = List.fold (fun spares _ -> busy spares) four [ 1..seconds ]
        (Spares.take later).Unused = 2)

[<Fact>]
let ``a dial finds none where none is kept, and takes nothing`` () =
    Law.HoldsFor([ 0; 1; 64 ], fun most -> (Spares.take (Spares.start most)).Unused = 0 && (Spares.start most |> Spares.take |> Spares.dropUnused).HasRoom = (most > 0))

[<Fact>]
let ``where the kernel refuses to connect a socket again, none is kept`` () = Law.HoldsFor([ () ], fun () -> not Spares.none.HasRoom)

[<Fact>]
let ``sockets are kept of targets on this machine alone, and of none that is reached over the other family`` () =
    Law.HoldsFor(
        [ "127.0.0.1", true; "127.9.8.7", true; "::1", true; "::ffff:127.0.0.1", false; "::", false; "0.0.0.0", false; "10.0.0.1", false; "::ffff:10.0.0.1", false; "2001:db8::1", false; "128.0.0.1", false ],
        fun (address, mayServe) -> Spares.mayServe (System.Net.IPAddress.Parse address) = mayServe)
