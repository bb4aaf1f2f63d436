namespace Bitflow.Net.Observing;

/// <summary>Opens connection logs: one path is one log, whoever asks for it.</summary>
internal interface IConnectionLogs
{
    /// <param name="path">The path as configured.</param>
    /// <param name="proxy">The proxy that will write there: what is dropped is counted for it.</param>
    /// <exception cref="IOException">The file cannot be opened for appending; the message names it.</exception>
    /// <exception cref="UnauthorizedAccessException">The same, for want of permission.</exception>
    IConnectionLog Open(string path, string proxy);
}
