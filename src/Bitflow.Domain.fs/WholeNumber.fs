namespace Bitflow.Domain

open System

/// Counts as people write them.
[<RequireQualifiedAccess>]
module WholeNumber =
    /// Decimal digits alone, from 0 to `most`: no sign, no blanks, nothing in between.
    let tryParse (most: int64) (text: string) : int64 voption =
        match Int64.TryParse text with
        | true, number when String.forall Char.IsAsciiDigit text && number <= most -> ValueSome number
        | _ -> ValueNone
