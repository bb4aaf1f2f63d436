namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// Who stands behind the number that an event carries. A number is a place and the generation of its tenant: an event that the kernel had
/// queued for a closed descriptor finds nobody, even when a new connection already has the place, and the descriptor, of the old one.
/// </summary>
internal sealed class SinkTable
{
    private const int End = -1;

    private Place[] _places = new Place[256];
    private int _used;
    private int _free = End;

    /// <summary>How many are in the table.</summary>
    public int Count { get; private set; }

    public ulong Add(IEventSink sink)
    {
        int index = _free;
        if (index != End)
        {
            _free = _places[index].NextFree;
        }
        else
        {
            if (_used == _places.Length)
                Array.Resize(ref _places, _used * 2);
            index = _used++;
        }

        ref Place place = ref _places[index];
        place.Sink = sink;
        Count++;
        return ((ulong)place.Generation << 32) | (uint)index;
    }

    public void Remove(ulong number)
    {
        ref Place place = ref _places[(int)(uint)number];
        if (place.Generation != (uint)(number >> 32))
            return;
        Vacate(number);
        place.Generation++;
        place.NextFree = _free;
        _free = (int)(uint)number;
    }

    /// <summary>Nobody stands behind the number from now on, and nobody else gets it.</summary>
    public void Vacate(ulong number)
    {
        ref Place place = ref _places[(int)(uint)number];
        if (place.Sink is null)
            return;
        place.Sink = null;
        Count--;
    }

    /// <summary>Another stands behind the number of one that is gone.</summary>
    public void Occupy(ulong number, IEventSink sink)
    {
        _places[(int)(uint)number].Sink = sink;
        Count++;
    }

    public IEventSink? Find(ulong number)
    {
        uint index = (uint)number;
        if (index >= (uint)_places.Length)
            return null;
        ref Place place = ref _places[index];
        return place.Generation == (uint)(number >> 32) ? place.Sink : null;
    }

    /// <summary>Those in the table at this moment, for the end of the loop.</summary>
    public IEventSink[] Snapshot()
    {
        var all = new List<IEventSink>(Count);
        for (int i = 0; i < _used; i++)
        {
            if (_places[i].Sink is { } sink)
                all.Add(sink);
        }

        return [.. all];
    }

    private struct Place
    {
        public IEventSink? Sink;
        public uint Generation;
        public int NextFree;
    }
}
