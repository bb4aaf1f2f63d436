module Bitflow.Spec.CloseReasonLaws

open System.Text.RegularExpressions
open Xunit
open Bitflow.Domain

let private all =
    [ for who in CloseReason.allWho do
          for phase in CloseReason.allPhases do
              for cause in CloseReason.allCauses -> CloseReason.make who phase cause ]

[<Fact>]
let ``every close reason is written who.phase.cause and reads back`` () =
    Law.HoldsFor(all, fun reason ->
        Regex.IsMatch(string reason, @"^[a-z]+\.[a-z_]+\.[a-z_]+$") && CloseReason.tryParse (string reason) = ValueSome reason)

[<Fact>]
let ``a reason's text as a tag is its text in the log`` () =
    Law.HoldsFor(all, fun reason -> CloseReason.text reason = string reason)

[<Fact>]
let ``no text makes the reading of a close reason throw`` () =
    Law.Holds(fun (HostileText text) -> (CloseReason.tryParse text).IsNone)
