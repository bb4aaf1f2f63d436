namespace Bitflow.Domain

open System

/// Paths of files and sockets.
[<RequireQualifiedAccess>]
module FilePath =
    /// Whether it begins with a home, or names a variable: a shell would fill that in.
    [<CompiledName "IsForAShell">]
    let isForAShell (path: string) : bool = path.StartsWith("~/", StringComparison.Ordinal) || path.Contains '$'

    /// The same path in one spelling: several slashes are one to the kernel, and `.` is the directory itself (path_resolution(7)), so that two
    /// spellings of a path do not look like two files. What `..` is the kernel alone knows, for a symbolic link may stand before it.
    let rec withoutSpareSteps (path: string) : string =
        if path.Contains "//" then withoutSpareSteps (path.Replace("//", "/"))
        elif path.Contains "/./" then withoutSpareSteps (path.Replace("/./", "/"))
        elif path.StartsWith("./", StringComparison.Ordinal) && path.Length > 2 then withoutSpareSteps (path.Substring 2)
        elif path = "/." then "/"
        elif path.EndsWith("/.", StringComparison.Ordinal) then path.Substring(0, path.Length - 2)
        else path
