module Bitflow.Spec.PaintLaws

open System.Text
open FsCheck
open Xunit
open Bitflow.Domain

[<Fact>]
let ``colours are for terminals that know them, of those who want them`` () =
    Law.HoldsFor(
        [ true, "xterm", "", true; true, "xterm", null, true; true, "xterm", "1", false; true, "dumb", "", false
          true, "", "", false; true, null, "", false; false, "xterm", "", false ],
        fun (isTerminal, terminal, noColor, expected) -> Paint.isWelcome isTerminal terminal noColor = expected)

[<Fact>]
let ``painting adds a colour and its end, and changes no character`` () =
    Law.Holds(fun (text: NonNull<string>) ->
        let strip (painted: string) = RegularExpressions.Regex.Replace(painted, "\u001b\\[[0-9]+m", "")
        let text = text.Get.Replace("\u001b", "")
        [ Tone.Good; Tone.Doubtful; Tone.Bad; Tone.Quiet ]
        |> List.forall (fun tone -> strip (Paint.text tone text) = text && strip (Paint.head tone text) = text))

[<Fact>]
let ``no two tones look alike`` () =
    let tones = [ Tone.Good; Tone.Doubtful; Tone.Bad; Tone.Quiet ]
    Law.HoldsFor([ tones |> List.map (fun tone -> Paint.text tone "x") ], fun painted -> List.distinct painted = painted)

[<Fact>]
let ``a place at the head of a message is painted to its colon, and what has none stays as it is`` () =
    Law.HoldsFor(
        [ "a.yaml:1:2: no", Paint.text Tone.Bad "a.yaml:1:2:" + " no"; "warning: a: b", Paint.text Tone.Bad "warning:" + " a: b"; "plain words", "plain words"; ": odd", ": odd" ],
        fun (line, painted) -> Paint.head Tone.Bad line = painted)
