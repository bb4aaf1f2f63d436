module Bitflow.Spec.FilePathLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``spare slashes, and steps to the directory itself, make no other path of it`` () =
    Law.HoldsFor(
        [ "///run//x", "/run/x"; "/run/./x", "/run/x"; "/./run/././x/.", "/run/x"; "/./.", "/"; "/.", "/"; "./x", "x"; "././/x", "x"; ".//./a/./b/.", "a/b"
          // Names with dots are names, and what a link before `..` leads to is not known here.
          "/run/.x", "/run/.x"; "/run/x.", "/run/x."; "/run./x", "/run./x"; "/run/.../x", "/run/.../x"; ".x/y", ".x/y"; "./", "./"; ".", "."
          "/run/../x", "/run/../x"; "/run/..", "/run/.."; "../x", "../x"; "", "" ],
        fun (written, path) -> FilePath.withoutSpareSteps written = path)
    Law.Holds(fun (HostileText path) -> FilePath.withoutSpareSteps (FilePath.withoutSpareSteps path) = FilePath.withoutSpareSteps path)

[<Fact>]
let ``a path is for a shell that begins with a home or names a variable`` () =
    Law.HoldsFor([ "~/log", true; "$LOGS/log", true; "/run/${NAME}", true; "~", false; "/a/~/log", false; "~a/log", false; "/log", false ], fun (path, isForAShell) -> FilePath.isForAShell path = isForAShell)
