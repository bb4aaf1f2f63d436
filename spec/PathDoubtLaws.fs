module Bitflow.Spec.PathDoubtLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``what is in the way of a connection log is told in the words of a start`` () =
    Law.HoldsFor(
        [ PathSight.Nothing true, ""
          PathSight.Nothing false, "its directory does not exist; make it first"
          PathSight.Adrift "gone", "gone"
          PathSight.Directory, "it is a directory; name a file in it"
          PathSight.Socket, "it is a socket, which takes no log by its path; name a file or a pipe"
          PathSight.LinkToSocket, "it is a socket, which takes no log by its path; name a file or a pipe"
          PathSight.File, ""
          PathSight.Unseen, "" ],
        fun (sight, expected) -> ValueOption.defaultValue "" (PathDoubt.ofLog sight) = expected)

[<Fact>]
let ``what is in the way of a Unix listener is told in the words of a start`` () =
    Law.HoldsFor(
        [ PathSight.Nothing true, ""
          PathSight.Nothing false, "the directory does not exist; make it first"
          PathSight.Adrift "gone", "the directory does not exist; make it first"
          PathSight.Directory, "something that is no socket is at that path; move it away"
          PathSight.Socket, ""
          PathSight.LinkToSocket, "something that is no socket is at that path; move it away"
          PathSight.File, "something that is no socket is at that path; move it away"
          PathSight.Unseen, "" ],
        fun (sight, expected) -> ValueOption.defaultValue "" (PathDoubt.ofListener sight) = expected)
