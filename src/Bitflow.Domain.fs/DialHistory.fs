namespace Bitflow.Domain

/// What has come of dialling for a connection, by the places that targets have in the file.
[<NoComparison>]
type DialHistory =
    { /// The ticket that the policy drew.
      Ticket: int64 voption
      /// Attempts begun.
      Begun: int
      /// Whose the last attempt was.
      LastTarget: int voption
      /// Attempts that came to nothing.
      Failed: int
      /// Whose the last of them was, and what it was for.
      LastFailure: struct (int * DialFault) voption
      /// Whether it is that failure that no attempt followed, and that ended the connection.
      IsGivenUp: bool }

[<RequireQualifiedAccess>]
module DialHistory =
    /// Before the first attempt.
    let empty =
        { Ticket = ValueNone
          Begun = 0
          LastTarget = ValueNone
          Failed = 0
          LastFailure = ValueNone
          IsGivenUp = false }
