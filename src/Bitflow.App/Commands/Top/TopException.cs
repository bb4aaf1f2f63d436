namespace Bitflow.App.Commands.Top;

/// <summary>Nothing that answers as an admin server; the message says why.</summary>
internal sealed class TopException(string message, Exception? cause = null) : Exception(message, cause);
