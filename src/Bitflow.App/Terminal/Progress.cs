using System.Diagnostics;

namespace Bitflow.App.Terminal;

/// <summary>
/// How far something is that takes over a second: one line on standard error, overwritten as it goes and gone at the end. Nothing where
/// standard error is no terminal.
/// </summary>
internal sealed class Progress : IDisposable
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(200);

    private const string EraseLine = "\r\x1b[K";

    private long _due = Stopwatch.GetTimestamp() + (long)(First.TotalSeconds * Stopwatch.Frequency);
    private bool _isShown;

    /// <summary>Cheap enough for every step of a loop: the text is made only when it is shown.</summary>
    public void Report(Func<string> text)
    {
        long now;
        if (!Screen.HasProgress || (now = Stopwatch.GetTimestamp()) < _due)
            return;
        _due = now + (long)(Again.TotalSeconds * Stopwatch.Frequency);
        _isShown = true;
        Screen.Mutter(EraseLine + text());
    }

    /// <summary>Makes room for a line of something else.</summary>
    public void Clear()
    {
        if (_isShown)
            Screen.Mutter(EraseLine);
        _isShown = false;
    }

    public void Dispose() => Clear();
}
