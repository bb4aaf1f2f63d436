module Bitflow.Spec.WholeNumberLaws

open System
open Xunit
open Bitflow.Domain

[<Fact>]
let ``a count is read up to the most that there may be`` () =
    Law.Holds(fun (number: int64) (most: int64) ->
        WholeNumber.tryParse most (string number) = (if number >= 0L && number <= most then ValueSome number else ValueNone))
    Law.HoldsFor([ Int32.MaxValue; 0 ], fun most -> WholeNumber.tryParse (int64 most) (string most) = ValueSome(int64 most) && (WholeNumber.tryParse (int64 most) (string (int64 most + 1L))).IsNone)

[<Fact>]
let ``a count is decimal digits alone`` () =
    Law.HoldsFor([ ""; " 1"; "1 "; "+1"; "-0"; "1_0"; "0x1"; "1.0"; "1e3"; "9223372036854775808"; "١" ], fun text -> (WholeNumber.tryParse Int64.MaxValue text).IsNone)
    Law.HoldsFor([ "007", 7L; "9223372036854775807", Int64.MaxValue ], fun (text, number) -> WholeNumber.tryParse Int64.MaxValue text = ValueSome number)
